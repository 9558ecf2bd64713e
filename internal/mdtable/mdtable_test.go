package mdtable

import "testing"

func TestFormat(t *testing.T) {
	const want = `| name | µs  |
| ---- | --- |
| a    | 1.5 |
| long | –   |
`
	if got := Format([][]string{{"name", "µs"}, {"a", "1.5"}, {"long", "–"}}); got != want {
		t.Errorf("got\n%s", got)
	}
}
