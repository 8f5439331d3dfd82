package api

import (
	"strconv"
	"testing"
	"time"
)

func TestTriesComeBackOneByOne(t *testing.T) {
	l := newLimiter(time.Minute, 2)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	steps := []struct {
		after time.Duration
		wait  time.Duration
	}{
		{0, 0}, {0, 0}, {0, time.Minute}, {15 * time.Second, 45 * time.Second},
		{45 * time.Second, 0}, {0, time.Minute}, {time.Hour, 0}, {0, 0}, {0, time.Minute},
	}
	for i, step := range steps {
		now = now.Add(step.after)
		if got := l.try("a", now); got != step.wait {
			t.Errorf("step %d: wait %s, want %s", i, got, step.wait)
		}
	}
	if got := l.try("b", now); got != 0 {
		t.Errorf("another key waits %s", got)
	}
	l.forgive("a", now)
	if got := l.try("a", now); got != 0 {
		t.Errorf("a try given back waits %s", got)
	}
	for range 5 {
		l.forgive("b", now)
	}
	first, second, third := l.try("b", now), l.try("b", now), l.try("b", now)
	if first != 0 || second != 0 || third == 0 {
		t.Error("tries given back go beyond the burst")
	}
}

func TestALimiterForgetsAndStaysSmall(t *testing.T) {
	l := newLimiter(time.Minute, 2)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l.try("guessed", now)
	l.try("guessed", now)
	for i := range maxLimited - 1 {
		l.try(strconv.Itoa(i), now.Add(-time.Hour))
	}
	l.try("one more", now)
	if n := len(l.buckets); n > 2 {
		t.Errorf("%d keys are remembered, of which two have tries to wait for", n)
	}
	if l.try("guessed", now) == 0 {
		t.Error("the key that was guessed was forgotten")
	}
	for i := range 3 * maxLimited {
		l.try(strconv.Itoa(i), now)
	}
	if n := len(l.buckets); n > maxLimited {
		t.Errorf("%d keys, more than %d", n, maxLimited)
	}
}
