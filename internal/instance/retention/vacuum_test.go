package retention_test

import (
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestAutovacuumRemovesWhatARunLeavesDead: a DELETE only marks rows. The run
// can't VACUUM by itself; it sees to it that autovacuum finds the tables due.
func TestAutovacuumRemovesWhatARunLeavesDead(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	policy := d.Limits(t, fourLimits)
	fill(t, db, 2000, 400)
	execSQL(t, db, "ALTER SYSTEM SET autovacuum_naptime = '1s'")
	execSQL(t, db, "SELECT pg_reload_conf()")
	defer func() {
		execSQL(t, db, "ALTER SYSTEM RESET autovacuum_naptime")
		execSQL(t, db, "SELECT pg_reload_conf()")
	}()
	result := run(t, d, policy)
	// The month of the cutoff, where rows went by DELETE, and the guests: far fewer
	// than the default threshold of a fifth of the table, or none left but a few.
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
