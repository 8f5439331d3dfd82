package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/api"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// operatorIsTold asks as the operator does.
func (s *system) operatorIsTold() (state contract.State) {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, contract.PathState+"?anchor={}", nil)
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: contract.OperatorName}}}}}
	w := httptest.NewRecorder()
	api.State(s.db.Serve(s.t), slog.New(slog.NewTextHandler(s.t.Output(), nil))).ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &state); err != nil || w.Code != http.StatusOK {
		s.t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
	}
	return state
}

// bill is what the operator is told that the tenant is billed by.
func (s *system) bill() *contract.Usage {
	s.t.Helper()
	usage := s.operatorIsTold().Usage
	if usage == nil {
		s.t.Fatal("the operator is told nothing of it")
	}
	return usage
}

// billing is a tenant that began many days ago, as far as its bills go, and was counted last some days ago.
func billing(t *testing.T, lastCounted int) (s *system, v thread, today time.Time) {
	s = start(t)
	s.exec("UPDATE sb.usage_counted SET since = until - 100, until = until - $1::integer", lastCounted)
	return s, s.guest("Ada", "+4930901820", pgtest.Channel, s.now()), s.now().UTC().Truncate(24 * time.Hour)
}

// counted adds up what a bill says of a channel in all months.
func counted(u *contract.Usage, channel string) (sum contract.UsageChannel) {
	sum.Channel = channel
	for _, m := range u.Months {
		for _, c := range m.Channels {
			if c.Channel == channel {
				sum.Received += c.Received
				sum.Sent += c.Sent
			}
		}
	}
	return sum
}

func TestDaysThatHaveEndedAreBilledOnce(t *testing.T) {
	s, v, today := billing(t, 2)
	yesterday := today.Add(-time.Minute)
	v.wrote(yesterday, "Hello")
	for _, status := range []string{"accepted", "sent", "delivered", "read", "queued", "sending", "failed", "suppressed", "unknown"} {
		v.reply(yesterday, status, "")
	}
	imported := v.wrote(yesterday, "Long ago")
	s.exec("UPDATE sb.message SET origin = 'import' WHERE id = $1", imported)
	v.wrote(today, "Good morning") // of a day that has not ended
	want := contract.UsageChannel{Channel: pgtest.Channel, Received: 1, Sent: 4}
	first := s.bill()
	if got := counted(first, pgtest.Channel); got != want || first.Until != today.Format(time.DateOnly) {
		t.Fatalf("billed are %+v, until %s; want %+v", got, first.Until, want)
	}
	if stored := first.Months[0].StoredBytes; first.Months[0].Month != yesterday.Format("2006-01") || stored < 1<<20 {
		t.Errorf("%d bytes are stored in %s", stored, first.Months[0].Month)
	}
	if again := s.bill(); !reflect.DeepEqual(first, again) {
		t.Errorf("asked again it is %+v", again)
	}
}

func TestABillNeverFallsAndTakesWhatCameLate(t *testing.T) {
	s, v, today := billing(t, 1)
	first := v.wrote(today.Add(-25*time.Hour), "Hello")
	s.exec("UPDATE sb.usage_counted SET until = until - 3")
	s.bill()
	// The guest is erased; the day after, a message of that day comes late, and one of a day that is not counted again.
	s.exec("DELETE FROM sb.message WHERE id = $1", first)
	nextDay := func() { s.exec("UPDATE sb.usage_counted SET until = until - 1") }
	nextDay()
	if got := counted(s.bill(), pgtest.Channel); got.Received != 1 {
		t.Errorf("after an erasure %d are billed", got.Received)
	}
	v.wrote(today.Add(-25*time.Hour), "Late")
	v.wrote(today.Add(-25*time.Hour), "Late, too")
	nextDay()
	if got := counted(s.bill(), pgtest.Channel); got.Received != 2 {
		t.Errorf("with two that came late, %d are billed", got.Received)
	}
}

func TestDaysStayOnlyWhileTheyMayRise(t *testing.T) {
	s, v, today := billing(t, 40)
	for day := range 40 {
		v.wrote(today.AddDate(0, 0, -day-1).Add(time.Hour), "Hello")
	}
	want := counted(s.bill(), pgtest.Channel)
	if want.Received != 40 {
		t.Fatalf("billed are %+v", want)
	}
	if days := s.count("SELECT count(DISTINCT day) FROM sb.usage_day"); days != 3 {
		t.Errorf("%d days stay", days)
	}
	// Days that were added to their month are not added again.
	s.exec("UPDATE sb.usage_counted SET until = until - 1")
	if got := counted(s.bill(), pgtest.Channel); got != want {
		t.Errorf("the day after, billed are %+v", got)
	}
}

func TestABillOfAChannelThatIsGoneStays(t *testing.T) {
	s, _, today := billing(t, 2)
	s.exec("INSERT INTO sb.usage_month VALUES (date_trunc('month', $1::date)::date, 'gone', 'out', 7), (date_trunc('month', $1::date - 200)::date, 'gone', 'out', 9)", today)
	u := s.bill()
	if got := counted(u, "gone"); got.Sent != 7 {
		t.Errorf("billed are %+v", got)
	}
	if len(u.Months) > contract.MaxUsageMonths {
		t.Errorf("%d months are told of", len(u.Months))
	}
}
