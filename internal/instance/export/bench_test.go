package export_test

import (
	"log/slog"
	"strconv"
	"testing"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/instance/export"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// BenchmarkExport takes out a tenant of a million messages, and tells the most memory that
// the process had meanwhile: the size of the tenant must not show in it.
func BenchmarkExport(b *testing.B) {
	for _, messages := range []int{10_000, 1_000_000} {
		b.Run(strconv.Itoa(messages), func(b *testing.B) {
			d := pgtest.New(b)
			d.FillMessages(b, messages)
			key, err := age.GenerateX25519Identity()
			if err != nil {
				b.Fatal(err)
			}
			pool := d.Export(b)
			pgtest.ForgetPeak(b)
			for b.Loop() {
				var size counter
				_, err := export.Run(b.Context(), pool, &size, export.Options{Tenant: "hotel-berlin", Recipient: key.Recipient().String(), Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(size)/(1<<20), "archive-MiB")
			}
			b.ReportMetric(float64(messages)/b.Elapsed().Seconds()*float64(b.N), "messages/s")
			b.ReportMetric(pgtest.Peak(b), "peak-RSS-MiB")
		})
	}
}

type counter int64

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }
