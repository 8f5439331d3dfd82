package retention_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestNothingReadsWhatHasExpired walks everything that can read a table of a category. Roles
// that log in go through row security; functions that belong to the owner, whom it does not
// bind, compare with sb.cutoff themselves, or are listed here with the reason why not.
func TestNothingReadsWhatHasExpired(t *testing.T) {
	d := pgtest.New(t)
	admin := d.Admin(t)

	t.Run("row security guards every table of a category", func(t *testing.T) {
		for _, category := range contract.Categories() {
			var table, guarded string
			err := admin.QueryRow(t.Context(), `SELECT t.name, COALESCE((SELECT pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
				WHERE c.oid = ('sb.' || t.name)::regclass AND c.relrowsecurity AND p.polname = 'live' AND p.polcmd = '*' AND p.polpermissive AND p.polroles = '{0}'), '')
				FROM sb.retention_table($1) t`, category).Scan(&table, &guarded)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(guarded, "cutoff('"+category+"'") {
				t.Errorf("%s: rows of sb.%s are shown to whom %q", category, table, guarded)
			}
			// Exports also see what has expired and is held.
			more := ask[int64](t, admin, `SELECT count(*) FROM pg_policy WHERE polrelid = ('sb.' || $1)::regclass AND polname <> 'live'
				AND (polname, polroles) IS DISTINCT FROM ('held', ARRAY['sb_export'::regrole::oid])`, table)
			if more != 0 {
				t.Errorf("sb.%s has %d more policies, each of which shows more", table, more)
			}
			held := ask[*string](t, admin, `SELECT (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = ('sb.' || $1)::regclass AND polname = 'held' AND polcmd = '*')`, table)
			if want := "(cardinality(sb.export_holds('" + category + "'"; held != nil && !strings.Contains(*held, " AND "+want) {
				t.Errorf("sb.%s shows to exports what %s, which does not ask for %s", table, *held, want)
			}
		}
	})

	t.Run("nobody who logs in is above it", func(t *testing.T) {
		above := ask[[]string](t, admin, `SELECT COALESCE(array_agg(rolname::text), '{}') FROM pg_roles
			WHERE rolname LIKE 'sb\_%' AND (rolbypassrls OR rolsuper OR rolcanlogin AND pg_has_role(oid, 'sb_owner', 'MEMBER'))`)
		if len(above) > 0 {
			t.Errorf("%v read everything", above)
		}
	})

	// Functions of the owner that read a category without asking for its cutoff, and why they may.
	exempt := map[string]string{
		"retention_drop":     "removes what has expired",
		"retention_months":   "names months",
		"retention_batch":    "removes what has expired, by the run's own cutoff",
		"retention_survey":   "counts",
		"retention_left":     "counts, and tells the oldest time",
		"retention_oldest":   "gives a time",
		"retention_vacuumed": "gives a time",
		"retention_total":    "counts",
		"remove_files":       "removes files that nothing refers to",
		"subject_erase":      "removes all of a person, expired or not",
		"subject_find":       "counts all of a person",
		"subject_bearers":    "gives ids, to find what is to be removed, kept or written",
		"subject_contacts":   "gives ids, to find what is to be removed, kept or written",
		"testimonial_end":    "writes",
		"testimonial_sweep":  "writes",
		"testimonial_orphan": "writes keyed hashes",
		"same_person":        "gives ids, to find what is to be removed, kept or written",
		"thread_hashes":      "gives hashes, to find who has opted out",
		"thread_stops":       "gives hashes, to find who has opted out",
		"overruled":          "says yes or no",
		"heed":               "writes keyed hashes",
		"hold_person":        "writes ids",
		"regroup":            "writes",
		"subject_rectify":    "writes",
		"subject_suppress":   "gives hashes, to find what is to be written",
		"count_usage":        "counts, of months and channels",
		"holds_of":           "says which holds keep a row",
		"holds_of_access":    "says which holds keep a row",
		"holds_of_contact":   "says which holds keep a row",
		"rehash":             "writes keyed hashes",
		"suppressible":       "gives hashes, to find what is to be removed or written",
		"link_consent":       "gives hashes, to find what is to be written",
		"begin_attempt":      "tells the state of a message that is on its way",
		"outbound_wait":      "tells how long a message waits that is on its way",
		"record_expired":     "writes",
		"record_not_sent":    "writes",
		"record_status":      "writes",
		"record_watermark":   "writes",
		"smpp_begin":         "says whether a message is there",
		"smpp_receipt":       "writes",
		"smpp_receive":       "writes",
		"bound":              "gives back ids that it was given",
		"restore_settle":     "writes",
		"add_file":           "gives the id of a file whose bytes the caller has",
		"subject_file":       "asks subject_files",
		"outbound_piece":     "asks outbound_files",
		"subject_rows":       "gives SQL for those that ask",
		"adopt_tables":       "gives SQL for adopt_rows, which asks",
		"adopt_file":         "writes",
		"adopt_whole":        "says yes or no",
		"adopt_seal":         "counts what it wrote, and removes files that nothing refers to",
		"media_expect":       "writes beside a message that was just stored",
		"media_refuse":       "writes",
		"attach_reply":       "writes beside a reply that was just stored",
		"find_file":          "gives the id of a file whose digest the caller has",
		"objects_compare":    "compares ids of objects with those that the caller has",
		"removals_add":       "writes ids of objects",
		"web_chat_release":   "writes",
		"web_chat_begin":     "asks web_chat_live",
		"web_chat_receipt":   "asks web_chat_live, and writes",
		"web_chat_end":       "writes",
		"notice_known":       "says of a contact that the caller has whether its message failed",
		"notice_told":        "writes beside a message that was just stored",
		"webhook_message":    "writes ids beside a message that was just stored",
		"webhook_consent":    "writes ids beside a change of consent",
	}
	reads := regexp.MustCompile(`(?i)\b(?:FROM|JOIN|USING|UPDATE)\s+sb\.(message|message_body|attachment|file|contact|contact_address|conversation|staff|access_log|web_chat_session|integration_data|testimonial)\b|retention_table`)
	t.Run("functions of the owner ask for the cutoff", func(t *testing.T) {
		rows, err := admin.Query(t.Context(), `SELECT p.proname, pg_get_functiondef(p.oid) FROM pg_proc p
			WHERE p.pronamespace = 'sb'::regnamespace AND p.prokind = 'f' AND p.proname <> 'retention_table' ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var name, body string
		var used []string
		readers := 0
		_, err = pgx.ForEachRow(rows, []any{&name, &body}, func() error {
			if !reads.MatchString(body) {
				return nil
			}
			readers++
			if strings.Contains(body, "sb.cutoff(") {
				return nil
			}
			if exempt[name] == "" {
				t.Errorf("sb.%s reads a category and does not ask for its cutoff", name)
			}
			used = append(used, name)
			return nil
		})
		if err != nil || readers < 15 {
			t.Fatalf("%d functions read: the walk looks in the wrong place; %v", readers, err)
		}
		for name := range exempt {
			if !slices.Contains(used, name) {
				t.Errorf("sb.%s is exempt and needs not be", name)
			}
		}
	})
}
