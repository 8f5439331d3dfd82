package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// started serves all stand-ins, and leads to one by the name of its host.
func started(t *testing.T) func(host string) (*tls.Conn, error) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"control.x.svc", "telegram.x.svc", "messenger.x.svc", "whatsapp.x.svc", "smsc.x.svc"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- newService(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}).serve(ctx, listener)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	pool := x509.NewCertPool()
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(certificate)
	return func(host string) (*tls.Conn, error) {
		return tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: host + ".x.svc", MinVersion: tls.VersionTLS12})
	}
}

func ask(t *testing.T, dial func(string) (*tls.Conn, error), method, host, path, body string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return dial(host) }}}
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+host+".x.svc"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(answer)
}

func TestEachHostIsAServiceOfItsOwn(t *testing.T) {
	dial := started(t)
	const token = "4242424242:a-token-of-a-bot-that-is-none"
	for _, c := range []struct {
		method, host, path, body string
		want                     int
	}{
		{"POST", "telegram", "/bot" + token + "/getMe", "{}", 401},
		{"POST", "control", "/control/telegram", `{"ID":4242424242,"Username":"hotel","Token":"` + token + `"}`, 204},
		{"POST", "telegram", "/bot" + token + "/getMe", "{}", 200},
		{"GET", "messenger", "/v23.0/me", "", 400},
		{"POST", "messenger", "/control/telegram", "{}", 404},
		{"GET", "whatsapp", "/v23.0/106540352242922", "", 400},
		{"POST", "control", "/control/inbound", `{"channel":"smsc","from":"447700900123","to":"493012345678","text":"Hello"}`, 400},
		{"POST", "control", "/control/down", `{"channel":"telegram","down":true}`, 204},
		{"POST", "telegram", "/bot" + token + "/getMe", "{}", 0},
		{"GET", "messenger", "/v23.0/me", "", 400},
		{"POST", "control", "/control/down", `{"channel":"telegram","down":false}`, 204},
		{"POST", "telegram", "/bot" + token + "/getMe", "{}", 200},
	} {
		if got, says := ask(t, dial, c.method, c.host, c.path, c.body); got != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.host, c.path, got, says, c.want)
		}
	}
}

func TestTheMessageCentreTakesAndBringsMessages(t *testing.T) {
	dial := started(t)
	ask(t, dial, "POST", "control", "/control/smsc", `{"systemID":"hotel","password":"secret"}`)
	conn, err := dial("smsc")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say := func(p pdu.PDU) {
		b := pdu.NewBuffer(nil)
		p.Marshal(b)
		if _, err := conn.Write(b.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	hear := func() pdu.PDU {
		p, err := pdu.Parse(conn)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for password, status := range map[string]data.CommandStatusType{"another": data.ESME_RINVPASWD, "secret": data.ESME_ROK} {
		bind := pdu.NewBindRequest(pdu.Transceiver)
		bind.SystemID, bind.Password = "hotel", password
		say(bind)
		if got := hear().(*pdu.BindResp).CommandStatus; got != status {
			t.Errorf("a bind by %s is answered %d, want %d", password, got, status)
		}
	}
	submit := pdu.NewSubmitSM().(*pdu.SubmitSM)
	_ = submit.DestAddr.SetAddress("447700900123")
	_ = submit.Message.SetMessageWithEncoding("Good evening", data.GSM7BIT)
	say(submit)
	id := hear().(*pdu.SubmitSMResp).MessageID
	receipt := hear().(*pdu.DeliverSM)
	if text, _ := receipt.Message.GetMessage(); receipt.EsmClass != 4 || id == "" || !bytes.Contains([]byte(text), []byte("id:"+id+" ")) {
		t.Errorf("the receipt of %q is %q", id, text)
	}
	say(receipt.GetResponse())
	_, listed := ask(t, dial, "GET", "control", "/control/smsc?to=447700900123", "")
	var all []Taken
	if err := json.Unmarshal([]byte(listed), &all); err != nil || len(all) != 1 || all[0].Text != "Good evening" {
		t.Errorf("listed %s", listed)
	}
	told := make(chan int)
	go func() {
		status, _ := ask(t, dial, "POST", "control", "/control/inbound", `{"channel":"smsc","from":"447700900123","to":"493012345678","text":"Hello"}`)
		told <- status
	}()
	brought := hear().(*pdu.DeliverSM)
	if text, _ := brought.Message.GetMessage(); text != "Hello" || brought.SourceAddr.Address() != "447700900123" {
		t.Errorf("brought %+v", brought)
	}
	say(brought.GetResponse())
	if status := <-told; status != http.StatusNoContent {
		t.Errorf("told %d", status)
	}
}
