package command

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/router"
)

func errorPages(d door) []Command {
	return []Command{
		{Name: "error-pages", Args: "<app>", Short: "list an app's own error pages", For: Viewer, Reads: true, Run: d.pages, Flags: listing},
		{Name: "error-pages:report", Args: "<app>", Short: "list an app's own error pages", For: Viewer, Reads: true, Run: d.pages, Flags: listing},
		{Name: "error-pages:set", Args: "<app> <error>", Short: "read from stdin the page for 503, H14, or default", For: Manager, Run: d.setPage},
		{Name: "error-pages:unset", Args: "<app> <error>", Short: "show the router's own page again", For: Manager, Run: d.unsetPage},
	}
}

// maxPage is as much of a page as is read: more than what is taken, so that
// it is refused in words.
const maxPage = 1 << 20

// readPage reads a page for visitors.
func readPage(c *Call) (string, error) {
	text, err := io.ReadAll(io.LimitReader(c.Stdin, maxPage))
	if err != nil {
		return "", err
	}
	if len(text) == 0 {
		return "", appliance.WithHint(fmt.Errorf("%w page: there is nothing on stdin", appliance.ErrInvalid),
			"pipe it in, with < page.html behind the command")
	}
	// What is kept is JSON, which would make question marks of other bytes.
	if !utf8.Valid(text) {
		return "", appliance.WithHint(fmt.Errorf("%w page: it is not text in UTF-8, as which visitors get it", appliance.ErrInvalid),
			"save it as UTF-8; pictures belong elsewhere")
	}
	if err := (router.Policy{Maintenance: router.Maintenance{HTML: string(text)}}).Validate(); err != nil {
		return "", fmt.Errorf("%w page: %w", appliance.ErrInvalid, err)
	}
	return string(text), nil
}

func (d door) setPage(ctx context.Context, c *Call) error {
	page, err := readPage(c)
	if err != nil {
		return err
	}
	err = pipeline.ChangeDoor(ctx, d.Pipeline, c.App, pipeline.ErrorPagesSetting, func(pages *map[string]string) error {
		if *pages == nil {
			*pages = map[string]string{}
		}
		(*pages)[c.Args[1]] = page
		return nil
	})
	if err == nil {
		fmt.Fprintf(c.Stdout, "=====> Setting the error page %s of %s (%d bytes)\n", c.Args[1], c.App, len(page))
	}
	return err
}

func (d door) unsetPage(ctx context.Context, c *Call) error {
	err := pipeline.ChangeDoor(ctx, d.Pipeline, c.App, pipeline.ErrorPagesSetting, func(pages *map[string]string) error {
		if _, ok := (*pages)[c.Args[1]]; !ok {
			return appliance.WithHint(fmt.Errorf("error page %.40q %w", c.Args[1], appliance.ErrNotFound), fmt.Sprintf("error-pages %s lists those that are set", c.App))
		}
		delete(*pages, c.Args[1])
		return nil
	})
	if err == nil {
		fmt.Fprintf(c.Stdout, "=====> Unsetting the error page %s of %s\n", c.Args[1], c.App)
	}
	return err
}

// A pageRow is an error page as scripts are shown it.
type pageRow struct {
	Error string `json:"error"`
	Bytes int    `json:"bytes"`
}

func (d door) pages(ctx context.Context, c *Call) error {
	pages, err := pipeline.Kept[map[string]string](ctx, d.Pipeline, c.App, pipeline.ErrorPagesSetting)
	if err != nil {
		return err
	}
	list, rows := []pageRow{}, []string{}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		list = append(list, pageRow{name, len(pages[name])})
		rows = append(rows, fmt.Sprintf("%-10s %d bytes", name, len(pages[name])))
	}
	return c.List(string(c.App)+" error pages", list, rows)
}
