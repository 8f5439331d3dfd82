package connect

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/file"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/queue"
	"github.com/switchboard-operator/switchboard/internal/instance/twilio"
	"github.com/switchboard-operator/switchboard/internal/instance/webchat"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
)

const (
	account   = "AC00112233445566778899aabbccddeeff"
	token     = "auth-token-of-the-test"
	number    = "+493023125177"
	guest     = "+4915112345678"
	publicURL = "https://example.com" // the name that httptest's certificate bears
	patience  = time.Minute
)

// stage is a connector between a real database and a stand-in for Twilio.
type stage struct {
	t          testing.TB
	database   *pgtest.Database
	admin      *pgxpool.Pool
	serve      *pgxpool.Pool
	twilio     *standin.Server
	provider   *httptest.Server
	connector  *httptest.Server
	channel    contract.Channel
	dir        string // of keys and token
	log        *lockedBuffer
	route      func() error // tells the provider where the connector is
	end        func()
	checkEvery time.Duration // 5 minutes when zero
	limits     webchat.Limits
	running    *Connector

	deaf         bool // it stores what comes and works no queue
	objects      *objectstore.Store
	fetchTimeout time.Duration // 40 s when zero
	uploadAge    time.Duration // of chats
}

// newStage starts everything; change may alter the channel.
func newStage(t testing.TB, database *pgtest.Database, change ...func(*contract.Channel)) *stage {
	t.Helper()
	return newStageWith(t, database, func(*stage) {}, change...)
}

// newStageWith lets prepare alter the stage before it starts.
func newStageWith(t testing.TB, database *pgtest.Database, prepare func(*stage), change ...func(*contract.Channel)) *stage {
	t.Helper()
	s := &stage{t: t, database: database, admin: database.Admin(t), serve: database.Serve(t), dir: t.TempDir(), log: &lockedBuffer{}}
	s.twilio = standin.New(standin.Config{Accounts: []standin.Account{{SID: account, AuthToken: token, Numbers: []string{number}, MessagingServices: []string{messagingService}}}, CallbackDelay: 20})
	t.Cleanup(s.twilio.Close)
	s.provider = httptest.NewTLSServer(s.twilio)
	t.Cleanup(func() {
		s.provider.CloseClientConnections()
		s.provider.Close()
	})
	s.writeKey(1)
	s.writeToken(token)
	s.channel = contract.Channel{
		Name: pgtest.Channel, Type: contract.ChannelTypeTwilioSMS,
		TwilioSMS: &contract.TwilioSMS{AccountSID: account, From: number, APIBaseURL: s.provider.URL, CABundle: authority(s.provider)},
	}
	for _, c := range change {
		c(&s.channel)
	}
	prepare(s)
	s.route = func() error {
		return s.twilio.AddRoute(standin.Route{Host: "example.com", Address: s.connector.Listener.Addr().String(), CA: authority(s.connector)})
	}
	s.play(token)
	return s
}

// play starts the connector until the test ends, and sees to it that no secret is logged.
func (s *stage) play(secrets ...string) {
	s.t.Helper()
	s.start()
	s.t.Cleanup(func() { s.end() })
	s.t.Cleanup(func() {
		for _, secret := range append(secrets, guest[1:], "Hallo") {
			if strings.Contains(s.log.String(), secret) {
				s.t.Errorf("the log holds %q", secret)
			}
		}
		if s.t.Failed() {
			s.t.Log(s.log.String())
		}
	})
}

const messagingService = "MG00112233445566778899aabbccddeeff"

// start runs the connector; end stops it, as a pod would be.
func (s *stage) start() {
	s.t.Helper()
	pool := s.database.Connector(s.t, s.channel.Name)
	c, err := New(Config{
		Channel: s.channel, PublicURL: publicURL, Pool: pool, ChannelDir: s.dir, KeysDir: s.dir,
		Log: slog.New(slog.NewJSONHandler(s.log, nil)), RescueAfter: sendTimeout + time.Second, CheckEvery: s.checkEvery, Chat: s.limits,
		Objects: s.objects, FetchTimeout: s.fetchTimeout, UploadAge: s.uploadAge,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.running = c
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	if !s.deaf {
		go func() { done <- c.Run(ctx) }()
	} else {
		go func() { c.receiver.run(ctx); done <- nil }()
	}
	s.connector = httptest.NewTLSServer(c.Handler())
	if err := s.route(); err != nil {
		s.t.Fatal(err)
	}
	s.end = sync.OnceFunc(func() {
		s.connector.CloseClientConnections() // else Close waits 5 s for those that were never used
		s.connector.Close()
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("the connector ended with: %v", err)
		}
		pool.Close()
	})
}

// whileDeaf does something while a connector stores what comes and works no queue, and then starts one that does.
func (s *stage) whileDeaf(do func()) {
	s.t.Helper()
	s.deaf = true
	s.start()
	do()
	s.end()
	s.deaf = false
	s.start()
}

func (s *stage) writeKey(version int) {
	s.t.Helper()
	s.write(fmt.Sprintf("%s%d", contract.FileHashKeyPrefix, version), bytes.Repeat([]byte{byte(version)}, 32))
}

func (s *stage) writeToken(token string) { s.write(contract.FileAuthToken, []byte(token+"\n")) }

func (s *stage) write(name string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func authority(server *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

// newSID makes an id of a message as Twilio does.
func newSID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return fmt.Sprintf("SM%x", b)
}

func form(sid, from, body string) url.Values {
	return url.Values{
		"MessageSid": {sid}, "SmsSid": {sid}, "AccountSid": {account}, "From": {from}, "To": {number}, "Body": {body},
		"NumMedia": {"0"}, "NumSegments": {"1"}, "FromCountry": {"DE"}, "ApiVersion": {"2010-04-01"},
	}
}

const (
	inboundPath = "/webhooks/" + pgtest.Channel + "/twilio/inbound"
	statusPath  = "/webhooks/" + pgtest.Channel + "/twilio/status"
)

// post posts a correctly signed form and gives the answer.
func (s *stage) post(path string, f url.Values) (int, string) {
	s.t.Helper()
	signature, err := standin.Sign(token, publicURL+path, f)
	if err != nil {
		s.t.Fatal(err)
	}
	status, _, body := s.raw(path, []byte(f.Encode()), http.Header{
		twilio.SignatureHeader: {signature}, "Content-Type": {"application/x-www-form-urlencoded"},
	})
	return status, body
}

func (s *stage) raw(path string, body []byte, header http.Header) (int, http.Header, string) {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.connector.URL+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header = header
	request.Host = "evil.example" // the signature must not depend on it
	response, err := s.connector.Client().Do(request)
	if err != nil {
		s.t.Errorf("posting a webhook: %v", err)
		return 0, nil, ""
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Errorf("reading the answer to a webhook: %v", err)
	}
	return response.StatusCode, response.Header, string(answer)
}

// write delivers a guest's message that must be acknowledged.
func (s *stage) says(from, body string) {
	s.t.Helper()
	if status, answer := s.post(inboundPath, form(newSID(), from, body)); status != http.StatusOK {
		s.t.Fatalf("a message was answered %d: %s", status, answer)
	}
}

// reply queues a reply of staff to a guest who has written, as serve does.
func (s *stage) reply(to, body string) uuid.UUID {
	s.t.Helper()
	return s.replyWith(to, body)
}

// replyWith queues one with files.
func (s *stage) replyWith(to, body string, contents ...[]byte) uuid.UUID {
	s.t.Helper()
	ctx := context.Background()
	id := uuid.Must(uuid.NewV7())
	err := pgx.BeginFunc(ctx, s.serve, func(tx pgx.Tx) error {
		var at time.Time
		var conversation uuid.UUID
		if err := tx.QueryRow(ctx, `SELECT now(), v.id FROM sb.conversation v JOIN sb.contact_address a USING (contact_id)
			WHERE a.address = $1 AND v.channel = $2`, to, s.channel.Name).Scan(&at, &conversation); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO sb.message (id, at, conversation_id, channel, direction, origin, status)
			VALUES ($1, $2, $3, $4, 'out', 'staff', 'queued')`, id, at, conversation, s.channel.Name); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO sb.message_body (id, at, conversation_id, channel, body) VALUES ($1, $2, $3, $4, $5)", id, at, conversation, s.channel.Name, body); err != nil {
			return err
		}
		for i, c := range contents {
			kept, err := file.Keep(ctx, tx, s.objects, "image/png", c)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "SELECT sb.attach_reply($1, $2, $3, $4, $5)", id, at, uuid.Must(uuid.NewV7()), fmt.Sprintf("file %d", i), kept); err != nil {
				return err
			}
		}
		return queue.InsertTx(ctx, tx, s.channel.Name, queue.SendArgs{MessageID: id, At: at, Files: len(contents)})
	})
	if err != nil {
		s.t.Fatalf("replying: %v", err)
	}
	return id
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
