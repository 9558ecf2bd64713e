package jsontext

// Span is where a value lies in a text.
type Span struct{ start, end uint32 }

// In cuts the value out of the text that the span was found in.
func (s Span) In(b []byte) []byte { return b[s.start:s.end:s.end] }

// KeptSpans is how many elements of an array an Index finds without a second look
// at the text.
const KeptSpans = 4

// Index is what one pass over an array learns: how many elements it has, and where
// the first of them are.
type Index struct {
	n     int
	first [KeptSpans]Span
}

// IndexArray checks that b, which must be valid UTF-8 and shorter than 4 GiB, is one
// JSON array and nothing else, each element within the bounds of [Valid].
func IndexArray(b []byte) (x Index, ok bool) {
	i := Space(b, 0)
	if i >= len(b) || b[i] != '[' {
		return x, false
	}
	i = Space(b, i+1)
	if i < len(b) && b[i] == ']' {
		return x, Space(b, i+1) == len(b)
	}
	for {
		end, ok := check(b, i)
		if !ok {
			return x, false
		}
		if x.n < KeptSpans {
			x.first[x.n] = Span{uint32(i), uint32(end)}
		}
		x.n++
		i = Space(b, end)
		if i >= len(b) {
			return x, false
		}
		switch b[i] {
		case ',':
			i = Space(b, i+1)
		case ']':
			return x, Space(b, i+1) == len(b)
		default:
			return x, false
		}
	}
}

// Len returns the number of elements.
func (x *Index) Len() int { return x.n }

// First returns where element i is, one of the first KeptSpans.
func (x *Index) First(i int) Span { return x.first[i] }

// All returns where every element is of the array b that x was made from, after one
// pass over those that it does not keep.
func (x *Index) All(b []byte) []Span {
	spans := make([]Span, x.n)
	for n := copy(spans, x.first[:]); n < x.n; n++ {
		start := behind(b, Space(b, int(spans[n-1].end))) // the comma
		spans[n] = Span{uint32(start), uint32(End(b, start))}
	}
	return spans
}
