package command

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean is a line with those of the known words that name could have been
// meant to be, or nothing.
func didYouMean(name string, known []string) string {
	if len(name) > maxGuessed {
		return ""
	}
	near, best := []string{}, 1+max(1, len(name)/4)
	for _, word := range known {
		switch d := distance(name, word); {
		case d < best:
			near, best = []string{word}, d
		case d == best && len(near) > 0:
			near = append(near, word)
		}
	}
	if len(near) == 0 {
		return ""
	}
	slices.Sort(near)
	return fmt.Sprintf("did you mean %s?\n", strings.Join(near[:min(3, len(near))], " or "))
}

// maxGuessed is longer than any word that anybody means.
const maxGuessed = 60

// distance is how many letters are to be added, removed, changed, or swapped
// with the next, to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
