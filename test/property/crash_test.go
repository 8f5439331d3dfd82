package property_test

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// cutter cuts a connection off before or after its nth statement. What a transaction does is
// seen by others at its commit alone, which is a statement too: there is no state of the database
// that a crash at any other instant could leave.
type cutter struct {
	left   int
	cancel context.CancelFunc
}

func (c *cutter) tick() {
	if c.left--; c.left == 0 {
		c.cancel()
	}
}

func (c *cutter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.tick()
	return ctx
}

func (c *cutter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) { c.tick() }

// attempt does work on a component's connections. In one case of three it is cut off after a
// random number of statements, and the server is done with it when attempt returns.
func (w *world) attempt(component string, most int, work func(context.Context, *pgxpool.Pool) error) (cut bool, err error) {
	pool := w.pool(component)
	if w.IntN(3) > 0 {
		return false, work(context.Background(), pool)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	config := pool.Config()
	config.MaxConns = 1
	config.ConnConfig.RuntimeParams["application_name"] = "cut"
	config.ConnConfig.Tracer = &cutter{left: 1 + w.IntN(most), cancel: cancel}
	pool, err = pgxpool.NewWithConfig(context.Background(), config)
	must(err)
	err = work(ctx, pool)
	pool.Close()
	if err == nil || ctx.Err() == nil {
		return false, err
	}
	w.count("crash of " + component)
	until("the server is done with what was cut off", func() bool {
		var n int
		must(w.admin().QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cut' AND datname = current_database()").Scan(&n))
		return n == 0
	})
	return true, nil
}

// until waits for a condition, at most a minute and a half.
func until(what string, condition func() bool) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	give := time.NewTimer(90 * time.Second)
	defer give.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-give.C:
			differ("waited in vain until %s", what)
		}
	}
}
