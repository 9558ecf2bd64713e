package config

import (
	"fmt"
	"strings"
)

// parseDotEnv reads the text of a .env file as Node's dotenv does, apart from
// lines that it would skip without a word: those are errors. There is no
// expansion: a $ is a $.
//
//	NAME=value              blanks around the value are not part of it
//	NAME: value             likewise
//	export NAME=value       likewise
//	NAME='a # b'            in quotes (', " or `) a value may hold # and line breaks
//	NAME="a\nb"             in double quotes \n and \r are line breaks
//	# comment               also behind a value: # begins one wherever it stands
//
// Of a name that stands there twice the last value counts. Errors name the
// line and quote nothing of it, since it may be a password.
func parseDotEnv(text string) (Env, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	env := Env{}
	for line := 1; text != ""; {
		name, value, rest, err := parseEntry(text)
		if err != nil {
			return nil, fmt.Errorf("line %d %w", line, err)
		}
		if name != "" {
			env[name] = value
		}
		line += strings.Count(text[:len(text)-len(rest)], "\n")
		text = rest
	}
	return env, nil
}

var (
	errEntry = fmt.Errorf("must be of the form NAME=value, or a comment that begins with #")
	errQuote = fmt.Errorf("has a value whose quote does not end")
)

// parseEntry reads one entry and what follows it up to the end of the line. The
// name is empty for a line without one.
func parseEntry(text string) (name, value, rest string, err error) {
	line, after, _ := strings.Cut(text, "\n")
	line = strings.TrimLeft(line, blanks)
	if line == "" || line[0] == '#' {
		return "", "", after, nil
	}
	if export, ok := strings.CutPrefix(line, "export"); ok && strings.TrimLeft(export, blanks) != export {
		line = strings.TrimLeft(export, blanks)
	}
	end := strings.IndexFunc(line, func(r rune) bool { return !isNameRune(r) })
	if end < 1 {
		return "", "", "", errEntry
	}
	name = line[:end]
	tail := strings.TrimLeft(line[end:], blanks)
	switch {
	case strings.HasPrefix(tail, "="):
	case strings.HasPrefix(line[end:], ": "), strings.HasPrefix(line[end:], ":\t"), line[end:] == ":":
	default:
		return "", "", "", errEntry
	}
	tail = strings.TrimLeft(tail[1:], blanks)
	if tail == "" || !strings.Contains(quotes, tail[:1]) {
		value, _, _ = strings.Cut(tail, "#")
		return name, strings.TrimRight(value, blanks), after, nil
	}
	// The value may go on in the next lines.
	from := strings.TrimSuffix(text, "\n"+after)
	body := text[len(from)-len(tail):]
	value, rest, err = parseQuoted(body)
	return name, value, rest, err
}

// parseQuoted reads a quoted value and the rest of the line behind it.
func parseQuoted(text string) (value, rest string, err error) {
	quote := text[0]
	end := 1
	for end < len(text) && text[end] != quote {
		if text[end] == '\\' && end+1 < len(text) && text[end+1] == quote {
			end++
		}
		end++
	}
	if end >= len(text) {
		return "", "", errQuote
	}
	value = text[1:end]
	behind, rest, _ := strings.Cut(text[end+1:], "\n")
	if behind = strings.TrimLeft(behind, blanks); behind != "" && behind[0] != '#' {
		// The quote is part of the value; those around all of it are not.
		value, rest, _ = strings.Cut(text, "\n")
		value, _, _ = strings.Cut(value, "#")
		value = strings.TrimRight(value, blanks)
		if last := len(value) - 1; last > 0 && value[last] == quote {
			value = value[1:last]
		}
	}
	if quote == '"' {
		value = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(value)
	}
	return value, rest, nil
}

const (
	blanks = " \t\v\f\u00a0"
	quotes = "'\"`"
)

func isNameRune(r rune) bool {
	return r == '_' || r == '.' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}
