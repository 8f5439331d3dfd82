package served_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/served"
	"github.com/switchboard-operator/switchboard/internal/step"
)

func TestListsOfRegions(t *testing.T) {
	for _, c := range []struct {
		about string
		lists []string
		want  []string
	}{
		{"nothing is every region", []string{""}, nil},
		{"a list", []string{"eu-central, us-east"}, []string{"eu-central", "us-east"}},
		{"one after the other", []string{"eu-central", "us-east"}, []string{"eu-central", "us-east"}},
		{"one twice is one", []string{"eu-central,eu-central", "eu-central"}, []string{"eu-central"}},
	} {
		t.Run(c.about, func(t *testing.T) {
			var r served.Regions
			for _, list := range c.lists {
				if err := r.Add(list); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(r, c.want) {
				t.Errorf("%v, want %v", r, c.want)
			}
		})
	}
	for _, list := range []string{"EU", "eu-central,", ",", "eu central", "eu.central", strings.Repeat("a", 41)} {
		var r served.Regions
		if err := r.Add(list); err == nil {
			t.Errorf("%q was taken as %v", list, r)
		}
	}
}

func TestRegionsOfOthersAreRefused(t *testing.T) {
	var all served.Regions
	if err := all.Refuse("anywhere"); err != nil {
		t.Error("an operator without --regions refuses:", err)
	}
	mine := served.Regions{"eu-central", "eu-north"}
	if err := mine.Refuse("eu-north"); err != nil {
		t.Error(err)
	}
	var stall *step.Stall
	if err := mine.Refuse("us-east"); !errors.As(err, &stall) || stall.Reason != v1alpha1.ReasonRegionNotServed || stall.Condition != v1alpha1.ConditionAccepted {
		t.Fatalf("a region of others: %v", err)
	}
	for _, word := range []string{"eu-central, eu-north", "us-east", "--regions", "delete it here"} {
		if !strings.Contains(stall.Message, word) {
			t.Errorf("the message doesn't say %q: %s", word, stall.Message)
		}
	}
}
