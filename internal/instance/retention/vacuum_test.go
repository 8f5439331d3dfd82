package retention_test

import (
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestAutovacuumRemovesWhatARunLeavesDead: a DELETE only marks rows. The run
// can't VACUUM by itself; it sees to it that autovacuum finds the tables due.
func TestAutovacuumRemovesWhatARunLeavesDead(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	// Cutoffs in the middle of months, one row a day: some 15 rows die in each month
	// of a cutoff and a few guests at the far end, too few for the default threshold of 50.
	policy := d.Limits(t, map[string]int32{
		contract.CategoryMessages: middleOf(3), contract.CategoryMessageMetadata: middleOf(5), contract.CategoryAccessLogs: middleOf(2), contract.CategoryContacts: 380,
	})
	fill(t, db, 400, 400)
	execSQL(t, db, "ALTER SYSTEM SET autovacuum_naptime = '1s'")
	execSQL(t, db, "SELECT pg_reload_conf()")
	defer func() {
		execSQL(t, db, "ALTER SYSTEM RESET autovacuum_naptime")
		execSQL(t, db, "SELECT pg_reload_conf()")
	}()
	result := run(t, d, policy)
	for _, name := range []string{contract.CategoryMessages, contract.CategoryMessageMetadata, contract.CategoryAccessLogs, contract.CategoryContacts} {
		c := category(t, result, name)
		tables := []string{"contact", "contact_address"}
		if name != contract.CategoryContacts {
			q := countQuery[name].table[len("sb."):]
			tables = []string{q + "_" + c.Cutoff.Format("2006_01")}
		}
		for _, table := range tables {
			until(t, "autovacuum has been at "+table, func() bool {
				return ask[bool](t, db, "SELECT autovacuum_count > 0 AND n_dead_tup = 0 FROM pg_stat_user_tables WHERE schemaname = 'sb' AND relname = $1", table)
			})
		}
	}
}

// middleOf gives the days back to the middle of the month so many months ago.
func middleOf(months int) int32 {
	now := time.Now().UTC()
	return int32(now.Sub(time.Date(now.Year(), now.Month()-time.Month(months), 15, 0, 0, 0, 0, time.UTC)).Hours() / 24)
}
