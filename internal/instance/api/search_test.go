package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// search gives the conversations that are found.
func (s *system) search(q, more string) (found []uuid.UUID, next *string) {
	s.t.Helper()
	var list struct {
		Conversations []struct{ ID uuid.UUID }
		NextCursor    *string
	}
	s.do("GET", "/api/v1/conversations?q="+url.QueryEscape(q)+more, nil).want(http.StatusOK).into(&list)
	for _, v := range list.Conversations {
		found = append(found, v.ID)
	}
	return found, list.NextCursor
}

func TestGuestsAreFoundByNameAndNumber(t *testing.T) {
	s := start(t)
	ada := s.guest("Ada Lovelace", "+4930901820", pgtest.Channel, s.now())
	adam := s.guest("Adam O'Neil-Öztürk", "+4930901821", pgtest.OtherChannel, s.now().Add(-time.Minute))
	for q, want := range map[string][]uuid.UUID{
		"ada":                   {ada.id, adam.id},
		"ADA LOV":               {ada.id},
		"lovelace ada":          {ada.id},
		"neil":                  {adam.id},
		"Özt":                   {adam.id},
		"1820":                  {ada.id},
		"+49 30 90 18 21":       {adam.id},
		"18":                    nil, // in too many
		"velace":                nil,
		"_da":                   nil, // no pattern
		"ada & !lov":            {ada.id},
		"'; DROP TABLE sb.x --": nil,
	} {
		if got, _ := s.search(q, ""); !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", q, got, want)
		}
	}
	if got, _ := s.search("ada", "&channel="+pgtest.OtherChannel); !slices.Equal(got, []uuid.UUID{adam.id}) {
		t.Errorf("on one channel: %v", got)
	}
	s.do("GET", "/api/v1/conversations?q=%25", nil).want(http.StatusBadRequest).saying("neither letters nor digits")
	s.do("GET", "/api/v1/conversations?q=", nil).want(http.StatusBadRequest)
}

func TestWhatIsFoundComesInPages(t *testing.T) {
	s := start(t)
	var want []uuid.UUID
	for i := range 7 {
		want = append(want, s.guest("Ada", fmt.Sprintf("+49300%d", i), pgtest.Channel, s.now().Add(-time.Duration(i)*time.Minute)).id)
	}
	var got []uuid.UUID
	more := "&limit=3"
	for pages := 0; pages < 4; pages++ {
		found, next := s.search("ada", more)
		got = append(got, found...)
		if next == nil {
			break
		}
		more = "&limit=3&cursor=" + *next
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages hold %v, want %v", got, want)
	}
}

// TestWhoHasExpiredIsNotFound: nor is it told by a count or a cursor that there was one.
func TestWhoHasExpiredIsNotFound(t *testing.T) {
	s := start(t)
	v := s.guest("Ada", "+4930901820", pgtest.Channel, s.now().Add(-10*day))
	v.wrote(s.now(), "Hello") // the thread lives on without its guest
	if got, _ := s.search("ada", ""); len(got) != 1 {
		t.Fatalf("before it expires, found %v", got)
	}
	s.db.Limits(t, map[string]int32{contract.CategoryContacts: 10})
	for _, q := range []string{"ada", "1820"} {
		if got, next := s.search(q, "&limit=1"); len(got) != 0 || next != nil {
			t.Errorf("%q finds %v after its limit", q, got)
		}
	}
}
