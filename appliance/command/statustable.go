package command

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/berthhq/berth/appliance"
)

// usualSize is that of a terminal which does not say how large it is.
var usualSize = appliance.Size{Rows: 24, Columns: 80}

// size returns how large the person's terminal is, if that has been told since
// somebody asked last, or else what it was.
func (s *Session) size(was appliance.Size) appliance.Size {
	if s.Terminal == nil {
		return was
	}
	select {
	case now := <-s.Terminal.Sizes:
		return now
	default:
		return was
	}
}

// The table of apps gives up columns from the end of this until it fits.
var columnsByWorth = []string{"app", "state", "processes", "memory", "cpu", "req/s", "live", "restarts", "url"}

// table lays the apps out in columns that are no wider than a line.
func (r statusReport) table(width int) []string {
	columns := [][]string{{"app"}, {"state"}, {"processes"}, {"live"}, {"cpu"}, {"memory"}, {"req/s"}, {"restarts"}, {"url"}}
	for _, a := range r.Apps {
		for i, cell := range a.cells() {
			columns[i] = append(columns[i], cell)
		}
	}
	const gap = 2
	widths := map[string]int{}
	all := -gap
	for _, column := range columns {
		for _, cell := range column {
			widths[column[0]] = max(widths[column[0]], utf8.RuneCountInString(cell))
		}
		all += gap + widths[column[0]]
	}
	for i := len(columnsByWorth) - 1; i > 0 && all > width; i-- {
		heading := columnsByWorth[i]
		columns = slices.DeleteFunc(columns, func(column []string) bool { return column[0] == heading })
		all -= gap + widths[heading]
	}
	rows := make([]string, len(r.Apps)+1)
	for n, column := range columns {
		right := slices.Contains([]string{"cpu", "memory", "req/s", "restarts"}, column[0])
		for i, cell := range column {
			blank := strings.Repeat(" ", widths[column[0]]-utf8.RuneCountInString(cell))
			if n > 0 {
				rows[i] += strings.Repeat(" ", gap)
			}
			if right {
				rows[i] += blank + cell
			} else {
				rows[i] += cell + blank
			}
		}
	}
	for i, row := range rows {
		rows[i] = cut(strings.TrimRight(row, " "), width)
	}
	return rows
}

// cells is what each column has of an app.
func (a appStatus) cells() []string {
	release := "-"
	if a.Release > 0 {
		release = fmt.Sprintf("v%d", a.Release)
	}
	return []string{a.App, a.State, fmt.Sprintf("%d/%d", a.Running, a.Processes), release,
		fmt.Sprintf("%.1f%%", a.CPU), amount(a.Memory), fmt.Sprintf("%.1f", a.Requests), fmt.Sprint(a.Restarts), a.URL}
}

// cut shortens a line to a width.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(0, width-1)]) + "…"
}

// machine is how the machine is, in a line.
func (m machineStatus) String() string {
	return fmt.Sprintf("load %.2f of %d CPUs, memory %s of %s, disk %s of %s", m.Load[0], m.CPUs,
		amount(m.MemoryUsed), amount(m.Memory), amount(m.DiskUsed), amount(m.Disk))
}

// troubles are the lines about what is wrong, in lines of a width.
func (r statusReport) troubles(width int) (rows []string) {
	for _, text := range r.Trouble {
		for _, row := range marked(" !     ", text, width) {
			rows = append(rows, red+row+plain)
		}
	}
	return rows
}

// marked breaks a text into lines of a width, with a mark before the first.
func marked(mark, text string, width int) (rows []string) {
	for line := range strings.SplitSeq(wrap(text, max(width-len(mark), 1)), "\n") {
		rows = append(rows, cut(mark+line, width))
		mark = strings.Repeat(" ", len(mark))
	}
	return rows
}

// fitted is what a terminal of a width shows, which may have to be scrolled.
func (r statusReport) fitted(width int) []string {
	rows := r.troubles(width)
	if r.Machine != nil {
		rows = append(rows, marked("=====> ", r.Machine.String(), width)...)
	}
	return append(rows, r.table(width)...)
}

// screen is what a terminal shows at once: of what is wrong as much as a third of
// it takes, and as many apps as there is room for.
func (r statusReport) screen(size appliance.Size) []string {
	width, height := int(size.Columns), int(size.Rows)
	rows := r.troubles(width)
	if most := max(height/3, 1); len(rows) > most {
		rows = append(rows[:most-1], red+cut(" !     there is more: status shows all", width)+plain)
	}
	if r.Machine != nil {
		rows = append(rows, marked("=====> ", r.Machine.String(), width)...)
	}
	room := height - len(rows)
	if len(r.Apps)+1 > room {
		r.Apps = slices.SortedStableFunc(slices.Values(r.Apps), worthier)
	}
	table := r.table(width)
	if len(table) > room {
		room = max(room, 2) // a heading, and what there is no room for
		table = append(table[:room-1], cut(fmt.Sprintf("%d more: status shows all", len(table)-(room-1)), width))
	}
	rows = append(rows, table...)
	return rows[max(0, len(rows)-height):]
}

// worthier orders apps by what one wants to see of many: what is broken, and
// then what is busy.
func worthier(a, b appStatus) int {
	broken := func(s appStatus) bool { return s.State == "crashed" || s.State == "degraded" }
	if broken(a) != broken(b) {
		if broken(a) {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(b.Running, a.Running))
}
