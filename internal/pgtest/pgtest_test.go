package pgtest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestEveryLoginReachesItsOwnDatabase(t *testing.T) {
	d := pgtest.New(t)
	for _, component := range []string{
		contract.ComponentServe, contract.ComponentRetain,
		contract.ComponentConnector(pgtest.Channel), contract.ComponentConnector(pgtest.OtherChannel),
	} {
		role := contract.LoginRole(component, 1)
		t.Run(role, func(t *testing.T) {
			var user, database string
			var encrypted bool
			err := d.Pool(t, role).QueryRow(context.Background(), `SELECT session_user, current_database(),
				(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())`).Scan(&user, &database, &encrypted)
			if err != nil {
				t.Fatal(err)
			}
			if user != role || database != d.Name || !encrypted {
				t.Errorf("connected as %s to %s, encrypted %t", user, database, encrypted)
			}
		})
	}
}

func TestDatabasesOfTwoTestsAreApart(t *testing.T) {
	a, b := pgtest.New(t), pgtest.New(t)
	if _, err := a.Admin(t).Exec(context.Background(), "INSERT INTO sb.channel (name, type) VALUES ('only-in-a', 'TwilioSMS')"); err != nil {
		t.Fatal(err)
	}
	err := b.Admin(t).QueryRow(context.Background(), "SELECT FROM sb.channel WHERE name = 'only-in-a'").Scan()
	if !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("the other test's database has the row, or failed: %v", err)
	}
}
