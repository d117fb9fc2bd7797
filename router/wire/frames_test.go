package wire_test

import (
	"bytes"
	"testing"

	"github.com/berthhq/berth/router/wire"
)

func TestFramesKnowWhereOneEnds(t *testing.T) {
	stream := [][]byte{
		{0x81, 0}, // empty
		append([]byte{0x81, 5}, "hello"...),
		append([]byte{0x82, 126, 1, 0}, bytes.Repeat([]byte{7}, 256)...),
		append([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 1}, bytes.Repeat([]byte{7}, 65537)...),
		append([]byte{0x81, 0x80 | 3, 1, 2, 3, 4}, "abc"...), // masked
		{0x89, 0},
	}
	ends := map[int]bool{0: true}
	var all []byte
	for _, frame := range stream {
		all = append(all, frame...)
		ends[len(all)] = true
	}
	for _, step := range []int{1, 2, 3, 7, 1000, len(all)} {
		var f wire.Frames
		for at := 0; at < len(all); {
			if f.Between() != ends[at] {
				t.Fatalf("in steps of %d, at %d: between = %v, want %v", step, at, f.Between(), ends[at])
			}
			next := min(at+step, len(all))
			f.Pass(all[at:next])
			at = next
		}
		if !f.Between() {
			t.Errorf("in steps of %d the last frame has no end", step)
		}
	}
}
