package adopt_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"filippo.io/age"

	"github.com/switchboard-operator/switchboard/internal/instance/adopt"
	"github.com/switchboard-operator/switchboard/internal/instance/export"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// BenchmarkAdopt brings tenants of some messages in, and tells the most memory that the
// process had meanwhile: the size of the tenant must not show in it.
func BenchmarkAdopt(b *testing.B) {
	for _, messages := range []int{10_000, 1_000_000} {
		b.Run(strconv.Itoa(messages), func(b *testing.B) {
			key, err := age.GenerateX25519Identity()
			if err != nil {
				b.Fatal(err)
			}
			file, err := os.Create(filepath.Join(b.TempDir(), "archive"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			from := pgtest.New(b)
			from.FillMessages(b, messages)
			_, err = export.Run(b.Context(), from.Export(b), file, export.Options{Tenant: former, Recipient: key.Recipient().String(), Keys: hashKeys, Log: discard})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				if _, err := file.Seek(0, 0); err != nil {
					b.Fatal(err)
				}
				to := pgtest.New(b).Adopt(b)
				pgtest.ForgetPeak(b)
				b.StartTimer()
				if _, err := adopt.Run(b.Context(), to, file, adopt.Options{Tenant: present, Identities: []age.Identity{key}, Keys: hashKeys, Log: discard}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(messages)/b.Elapsed().Seconds()*float64(b.N), "messages/s")
			b.ReportMetric(pgtest.Peak(b), "peak-RSS-MiB")
		})
	}
}
