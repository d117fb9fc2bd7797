package appliance

import (
	"fmt"
	"strings"
)

// ParseEnvfile reads config as it is in a .env file, or in a file of a shell's
// exports: a line of KEY=value each, empty lines and comments. A value in
// quotes may have more than one line; nothing in it is looked up or run. The
// error never holds a value.
func ParseEnvfile(text string) (map[string]string, error) {
	env := map[string]string{}
	rest := strings.TrimPrefix(text, "\ufeff")
	for line := 1; rest != ""; {
		before := len(rest)
		whole := rest
		pair, after, err := envfileLine(rest)
		if err == nil && pair != "" {
			var key, value string
			if key, value, err = ParseConfigPair(pair); err == nil {
				env[key] = value
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		rest = after
		line += strings.Count(whole[:before-len(rest)], "\n")
	}
	return env, nil
}

// envfileLine returns the pair at the beginning of a text, "" if there is
// none, and what comes after its line.
func envfileLine(text string) (pair, rest string, err error) {
	line, after, _ := strings.Cut(text, "\n")
	trimmed := strings.TrimSpace(line)
	if trimmed == "" || trimmed[0] == '#' {
		return "", after, nil
	}
	start := strings.TrimLeft(text, " \t")
	if exported, ok := strings.CutPrefix(start, "export "); ok {
		start = strings.TrimLeft(exported, " \t")
	}
	key, value, ok := strings.Cut(start, "=")
	if !ok || strings.Contains(key, "\n") {
		return "", "", WithHint(fmt.Errorf("%w config pair: no = in it", ErrInvalid), "write it as KEY=value")
	}
	key, value = strings.TrimRight(key, " \t"), strings.TrimLeft(value, " \t")
	if value == "" || value[0] != '"' && value[0] != '\'' {
		value, rest, _ = strings.Cut(value, "\n")
		if comment := strings.Index(value, " #"); comment >= 0 {
			value = value[:comment]
		}
		return key + "=" + strings.TrimSpace(value), rest, nil
	}
	value, rest, err = shellWord(value)
	if err != nil {
		return "", "", WithHint(fmt.Errorf("%w config value: %w", ErrInvalid, err), "put what has spaces or quotes into one pair of quotes, and a backslash before quotes in it")
	}
	return key + "=" + value, rest, nil
}

// shellWord reads a value that begins with a quote, up to the end of its line,
// as a shell does: 'it'\”s' is one word. As in .env files, \n and \r between
// double quotes are line ends.
func shellWord(text string) (word, rest string, err error) {
	var b strings.Builder
	for text != "" {
		switch c := text[0]; c {
		case '\'':
			quoted, after, ok := strings.Cut(text[1:], "'")
			if !ok {
				return "", "", errUnclosed
			}
			b.WriteString(quoted)
			text = after
		case '"':
			if text, err = doubleQuoted(&b, text[1:]); err != nil {
				return "", "", err
			}
		case '\\':
			if len(text) < 2 || text[1] == '\n' {
				return "", "", fmt.Errorf("a backslash with nothing after it")
			}
			b.WriteByte(text[1])
			text = text[2:]
		case '\n':
			return b.String(), text[1:], nil
		case ' ', '\t', '\r':
			end, after, _ := strings.Cut(text, "\n")
			if end = strings.TrimSpace(end); end != "" && end[0] != '#' {
				return "", "", fmt.Errorf("something comes after its end")
			}
			return b.String(), after, nil
		default:
			b.WriteByte(c)
			text = text[1:]
		}
	}
	return b.String(), "", nil
}

var errUnclosed = fmt.Errorf("a quote without its other one")

// doubleQuoted reads what is between double quotes, after the first.
func doubleQuoted(b *strings.Builder, text string) (rest string, err error) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return text[i+1:], nil
		case '\\':
			i++
			if i == len(text) {
				return "", errUnclosed
			}
			switch text[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case '"', '\\', '$', '`':
				b.WriteByte(text[i])
			default:
				b.WriteString(text[i-1 : i+1])
			}
		default:
			b.WriteByte(text[i])
		}
	}
	return "", errUnclosed
}
