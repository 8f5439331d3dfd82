package pgtest

import (
	"bytes"
	"os"
	"strconv"
	"testing"
)

// FillMessages stores so many messages of this instant, ten of each guest.
func (d *Database) FillMessages(t testing.TB, messages int) {
	t.Helper()
	for _, statement := range []string{
		"INSERT INTO sb.contact (id, name) SELECT md5('c' || i)::uuid, 'Guest ' || i FROM generate_series(0, $1::int / 10 - 1) i",
		"INSERT INTO sb.conversation (id, channel, contact_id) SELECT md5('v' || i)::uuid, 'front-desk', md5('c' || i)::uuid FROM generate_series(0, $1::int / 10 - 1) i",
		"INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) SELECT md5('m' || i)::uuid, now(), md5('v' || i / 10)::uuid, 'front-desk', 'in', 'guest', 'received' FROM generate_series(0, $1::int - 1) i",
		"INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT md5('m' || i)::uuid, now(), md5('v' || i / 10)::uuid, 'front-desk', repeat('Is the pool open? ', 8) || i FROM generate_series(0, $1::int - 1) i",
	} {
		if _, err := d.Admin(t).Exec(t.Context(), statement, messages); err != nil {
			t.Fatalf("storing messages: %v", err)
		}
	}
}

// ForgetPeak has the kernel measure anew what Peak tells.
func ForgetPeak(t testing.TB) {
	t.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil {
		t.Fatal(err)
	}
}

// Peak is the most memory that the test's process had, in MiB.
func Peak(t testing.TB) float64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "VmHWM:" {
			kib, err := strconv.ParseFloat(string(fields[1]), 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatal("the kernel does not tell the peak")
	return 0
}
