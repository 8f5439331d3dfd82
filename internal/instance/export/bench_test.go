package export_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
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
			for _, statement := range []string{
				"INSERT INTO sb.contact (id, name) SELECT md5('c' || i)::uuid, 'Guest ' || i FROM generate_series(0, $1::int / 10 - 1) i",
				"INSERT INTO sb.conversation (id, channel, contact_id) SELECT md5('v' || i)::uuid, 'front-desk', md5('c' || i)::uuid FROM generate_series(0, $1::int / 10 - 1) i",
				"INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) SELECT md5('m' || i)::uuid, now(), md5('v' || i / 10)::uuid, 'front-desk', 'in', 'guest', 'received' FROM generate_series(0, $1::int - 1) i",
				"INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT md5('m' || i)::uuid, now(), md5('v' || i / 10)::uuid, 'front-desk', repeat('Is the pool open? ', 8) || i FROM generate_series(0, $1::int - 1) i",
			} {
				if _, err := d.Admin(b).Exec(context.Background(), statement, messages); err != nil {
					b.Fatal(err)
				}
			}
			key, err := age.GenerateX25519Identity()
			if err != nil {
				b.Fatal(err)
			}
			pool := d.Export(b)
			forgetPeak(b)
			for b.Loop() {
				var size counter
				_, err := export.Run(b.Context(), pool, &size, export.Options{Tenant: "hotel-berlin", Recipient: key.Recipient().String(), Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(size)/(1<<20), "archive-MiB")
			}
			b.ReportMetric(float64(messages)/b.Elapsed().Seconds()*float64(b.N), "messages/s")
			b.ReportMetric(peak(b), "peak-RSS-MiB")
		})
	}
}

type counter int64

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

// forgetPeak has the kernel measure the peak anew.
func forgetPeak(b *testing.B) {
	b.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil {
		b.Fatal(err)
	}
}

// peak is the most memory that the process had, in MiB.
func peak(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "VmHWM:" {
			kib, err := strconv.ParseFloat(string(fields[1]), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("the kernel does not tell the peak")
	return 0
}
