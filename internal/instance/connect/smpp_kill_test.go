package connect

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/internal/smsctest"
)

// envProcess has this test's program be a connector: the directory of keys and password.
const envProcess = "SWITCHBOARD_TEST_CONNECTOR"

// TestConnectorProcess is no test: it is the process that the test below kills.
func TestConnectorProcess(t *testing.T) {
	dir := os.Getenv(envProcess)
	if dir == "" {
		return
	}
	var channel contract.Channel
	if err := json.Unmarshal([]byte(os.Getenv(contract.EnvChannel)), &channel); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	pool, err := store.Open(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Channel: channel, PublicURL: publicURL, Pool: pool, ChannelDir: dir, KeysDir: dir, Log: log, RescueAfter: sendTimeout + time.Second})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Run(context.Background())
}

// messages is how many go each way: SWITCHBOARD_TEST_MESSAGES, or fewer than a night would take.
func messages() int {
	if n, err := strconv.Atoi(os.Getenv("SWITCHBOARD_TEST_MESSAGES")); err == nil {
		return n
	}
	return 200
}

func TestNothingIsLostOrDoubledWhenTheConnectorIsKilled(t *testing.T) {
	const guests, kills = 50, 5
	n := messages()
	s := &line{
		stage: &stage{t: t, database: pgtest.New(t), dir: t.TempDir()},
		smsc:  smsctest.Start(t),
	}
	s.admin, s.serve = s.database.Admin(t), s.database.Serve(t)
	s.writeKey(1)
	s.write(contract.FilePassword, []byte(smsctest.Password))
	s.exec("UPDATE sb.channel SET type = $1 WHERE name = $2", contract.ChannelTypeSMPP, pgtest.OtherChannel)
	s.channel = contract.Channel{Name: pgtest.OtherChannel, Type: contract.ChannelTypeSMPP, SMPP: &contract.SMPP{
		Host: "127.0.0.1", Port: s.smsc.Port, Plain: true, SystemID: smsctest.SystemID, From: number, SourceTON: 1, SourceNPI: 1,
		WindowSize: 10, EnquireLinkSeconds: 1, MessagesPerSecond: 1000, LongMessages: "UDH8",
	}}
	s.database.Setenv(t, contract.LoginRole(contract.ComponentConnector(pgtest.OtherChannel), 1))
	s.smsc.Behave(map[string]any{"receipts": "text tlv reference"})

	described, err := json.Marshal(s.channel)
	if err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		process := exec.Command(os.Args[0], "-test.run=^TestConnectorProcess$")
		process.Env = append(os.Environ(), envProcess+"="+s.dir, contract.EnvChannel+"="+string(described))
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		return process
	}
	process := start()
	defer func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	}()
	from := func(i int) string { return fmt.Sprintf("4915112%06d", i%guests) }
	for i := range guests { // so that each can be answered
		s.smsc.Deliver(smsctest.Message{From: from(i), To: number[1:], Text: smsctest.Hex([]byte("Hello"))})
	}
	stored := func(want int) func() (bool, string) {
		return func() (bool, string) {
			have := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'")
			return have >= want, strconv.Itoa(have)
		}
	}
	s.until("the guests to be known", stored(guests))
	for i := range n {
		text := fmt.Sprintf("in %d", i/2) // each comes twice from two guests
		s.smsc.Deliver(smsctest.Message{From: from(i), To: number[1:], Text: smsctest.Hex([]byte(text))})
	}
	replies := s.replies(n, from)
	for k := range kills {
		s.until("messages to come in", stored(guests+(k+1)*n/(kills+2)))
		if err := process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = process.Wait()
		process = start()
	}
	s.until("all messages to come in", stored(guests+n))
	t.Logf("%d came in", n)
	deadline := time.Now().Add(5 * time.Minute) // a job of a killed connector is taken up again after a minute
	for s.count("SELECT count(*) FROM "+contract.QueueSchema(s.channel.Name)+".river_job WHERE finalized_at IS NULL") > 0 && time.Now().Before(deadline) {
		<-time.After(100 * time.Millisecond)
	}
	s.until("receipts", func() (bool, string) {
		waiting := s.count("SELECT count(*) FROM sb.message WHERE direction = 'out' AND status IN ('queued', 'sending', 'accepted')")
		return waiting == 0, strconv.Itoa(waiting)
	})
	if have := s.count("SELECT count(*) FROM sb.message WHERE direction = 'in'"); have != guests+n {
		t.Errorf("%d messages are stored, want %d", have, guests+n)
	}
	if double := s.count(`SELECT count(*) FROM (SELECT FROM sb.message_body b JOIN sb.message m USING (at, id) WHERE m.direction = 'in'
		GROUP BY b.conversation_id, b.body HAVING count(*) > 1) d`); double != 0 {
		t.Errorf("%d messages are stored more than once", double)
	}
	submitted := map[string]int{}
	for _, e := range s.smsc.Events("submit") {
		submitted[e.Text]++
	}
	unknown := 0
	for id, text := range replies {
		status, code, _ := s.message(id)
		times := submitted[smsctest.Hex([]byte(text))]
		switch {
		case times > 1:
			t.Errorf("%q was submitted %d times", text, times)
		case status == "unknown" && code == codeUnanswered:
			unknown++
		case times != 1 || status != "delivered":
			t.Errorf("%q was submitted %d times and is %s %s", text, times, status, code)
		}
	}
	t.Logf("%d went out, of which %d were cut off and nobody knows", n, unknown)
	if most := kills * s.channel.SMPP.WindowSize; unknown > most {
		t.Errorf("%d are unknown, more than the %d that could be under way", unknown, most)
	}
}

// replies queues n replies to guests, and gives their texts.
func (s *line) replies(n int, to func(int) string) map[uuid.UUID]string {
	s.t.Helper()
	ctx := context.Background()
	texts := map[uuid.UUID]string{}
	err := pgx.BeginFunc(ctx, s.serve, func(tx pgx.Tx) error {
		for i := range n {
			id, text := uuid.Must(uuid.NewV7()), fmt.Sprintf("out %d", i)
			texts[id] = text
			var at time.Time
			if err := tx.QueryRow(ctx, `WITH v AS (SELECT v.id FROM sb.conversation v JOIN sb.contact_address a USING (contact_id) WHERE a.address = $4 AND v.channel = $3),
				m AS (INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status) SELECT $1, now(), v.id, $3, 'out', 'staff', 'queued' FROM v RETURNING at),
				b AS (INSERT INTO sb.message_body (id, at, conversation_id, channel, body) SELECT $1, now(), v.id, $3, $2 FROM v)
				SELECT at FROM m`, id, text, s.channel.Name, "+"+to(i)).Scan(&at); err != nil {
				return err
			}
			if err := queue.InsertTx(ctx, tx, s.channel.Name, queue.SendArgs{MessageID: id, At: at}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatalf("replying: %v", err)
	}
	return texts
}
