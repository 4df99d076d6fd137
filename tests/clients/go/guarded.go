package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

// guarded is a server with users, TLS and WebSocket.
type guarded struct {
	address, websocket, caFile, seedFile string
	input                                *bufio.Reader
}

var app = nats.UserInfo("app", "secret")

func guardedScenarios(arguments []string) []scenario {
	server := &guarded{arguments[0], arguments[1], arguments[2], arguments[3], bufio.NewReader(os.Stdin)}
	without := func(run func()) func(string) { return func(string) { run() } }
	return []scenario{
		{"tls-password", without(server.tlsPassword)},
		{"nkey", without(server.nkey)},
		{"permissions", without(server.permissions)},
		{"websocket", without(server.overWebsocket)},
		{"reload", without(server.reload)},
		{"lame-duck", without(server.lameDuck)},
	}
}

func (server *guarded) open(options ...nats.Option) *nats.Conn {
	return open("tls://"+server.address, append(options, nats.RootCAs(server.caFile))...)
}

// exchange sends a message to itself.
func exchange(client *nats.Conn, subject, text string) {
	subscription := subscribe(client, subject)
	must(client.Publish(subject, []byte(text)))
	expect(string(receive(subscription).Data), text, subject)
}

func (server *guarded) refused(options ...nats.Option) {
	_, err := nats.Connect("tls://"+server.address, append(options, nats.RootCAs(server.caFile))...)
	expectError(err, nats.ErrAuthorization, "connect")
}

// ask has something done to the server.
func (server *guarded) ask(what string) {
	fmt.Println("READY-FOR-" + what)
	_, err := server.input.ReadString('\n')
	must(err)
}

func (server *guarded) tlsPassword() {
	client := server.open(app)
	defer client.Close()
	exchange(client, "password", "hello")
	server.refused(nats.UserInfo("app", "wrong"))
	server.refused()
}

func (server *guarded) nkey() {
	seed, err := nats.NkeyOptionFromSeed(server.seedFile)
	must(err)
	client := server.open(seed)
	defer client.Close()
	exchange(client, "nkey", "hello")
}

func (server *guarded) permissions() {
	failures := make(chan error, 8)
	handler := func(_ *nats.Conn, _ *nats.Subscription, err error) { failures <- err }
	client := server.open(nats.UserInfo("few", "few"), nats.ErrorHandler(handler))
	defer client.Close()
	must(client.Publish("no.a", nil))
	violated(<-failures, "Publish")
	subscribe(client, "no.a")
	violated(<-failures, "Subscription")
	exchange(client, "ok.a", "hello")
}

func violated(err error, operation string) {
	expectError(err, nats.ErrPermissionViolation, operation)
	named := strings.Contains(err.Error(), "Permissions Violation for "+operation)
	expect(named, true, fmt.Sprintf("the error %q names it", err))
}

func (server *guarded) overWebsocket() {
	client := open("wss://"+server.websocket, app, nats.RootCAs(server.caFile))
	defer client.Close()
	exchange(client, "websocket", strings.Repeat("x", 100_000))
}

func (server *guarded) reload() {
	closed := make(chan struct{})
	onClose := nats.ClosedHandler(func(*nats.Conn) { close(closed) })
	leaver := nats.UserInfo("leaver", "leaver")
	kept, some := server.open(app), server.open(nats.UserInfo("few", "few"))
	server.open(leaver, onClose)
	defer closeAll(kept, some)
	subscription := subscribe(kept, "new.a")
	flush(kept)
	server.ask("RELOAD")
	<-closed
	must(some.Publish("new.a", []byte("more rights")))
	expect(string(receive(subscription).Data), "more rights", "new.a")
	server.refused(leaver)
}

func (server *guarded) lameDuck() {
	told := make(chan struct{}, 1)
	client := server.open(app, nats.LameDuckModeHandler(func(*nats.Conn) { told <- struct{}{} }))
	defer client.Close()
	flush(client)
	server.ask("LAME-DUCK")
	<-told
	exchange(client, "still.here", "hello")
}
