// Package mdtable prints tables as Markdown that can be read as plain text, too.
package mdtable

import (
	"strings"
	"unicode/utf8"
)

// Format returns a table of lines of cells. The first line is the head, and says how many
// cells the others have. Columns are as wide as their longest cell.
func Format(lines [][]string) string {
	var out strings.Builder
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, line := range lines {
		for i, cell := range line {
			write(&out, cell, " ", widths[i])
		}
		out.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i := range line {
			write(&out, "", "-", widths[i])
		}
		out.WriteString("|\n")
	}
	return out.String()
}

// write appends a cell, filled up to a width.
func write(out *strings.Builder, cell, fill string, width int) {
	out.WriteString("| " + cell + strings.Repeat(fill, width-utf8.RuneCountInString(cell)) + " ")
}
