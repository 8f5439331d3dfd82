package optout

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// TestTextsOfManyLanguages: each row of testdata/texts.tsv is a language, what must happen, and
// what a guest wrote. stop, start and help are words that are all of the message; request is a
// wish in words of the guest's own, which holds automated messages back until staff decide;
// nothing is what only looks like one of them.
func TestTextsOfManyLanguages(t *testing.T) {
	f, err := os.Open("testdata/texts.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wants := map[string]Command{"stop": Stop, "start": Start, "help": Help, "request": Request, "nothing": None}
	words, seen, languages := New(nil), map[string]bool{}, map[string]int{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 3 {
			t.Fatalf("%q has no three fields", lines.Text())
		}
		want, known := wants[fields[1]]
		if !known {
			t.Fatalf("%q says what nobody knows", lines.Text())
		}
		if seen[lines.Text()] {
			t.Errorf("%q is there twice", lines.Text())
		}
		seen[lines.Text()] = true
		languages[fields[0]]++
		if got := words.Command(fields[2]); got != want {
			t.Errorf("%s: %q is %q, want %q", fields[0], fields[2], got, want)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(seen) < 200 || len(languages) < 12 {
		t.Errorf("there are %d rows in %d languages, want 200 in 12", len(seen), len(languages))
	}
}
