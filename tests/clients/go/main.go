// Drives a NATS server with the official Go client, nats.go, one scenario after another.
//
// Usage: program URL, program URL streams for the scenarios of streams.go, or program HOST:PORT
// WEBSOCKET-HOST:PORT CA-FILE SEED-FILE for those of guarded.go. Prints `ok NAME` per scenario; ../README.md describes the line protocol of some. This file runs the scenarios and holds their helpers; the scenarios
// themselves are in messages.go and connections.go.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const patience = 60 * time.Second

type scenario struct {
	name string
	run  func(url string)
}

var scenarios = []scenario{
	{"publish-subscribe", publishSubscribe},
	{"wildcards", wildcards},
	{"request-reply", requestReply},
	{"no-responders", noResponders},
	{"request-timeout", requestTimeout},
	{"queue-groups", queueGroups},
	{"headers", headers},
	{"subscription-drain", subscriptionDrain},
	{"connection-drain", connectionDrain},
	{"auto-unsubscribe", autoUnsubscribe},
	{"thousand-subscriptions", thousandSubscriptions},
	{"max-payload", maxPayload},
	{"payload-too-large", payloadTooLarge},
	{"flush-and-rtt", flushAndRTT},
	{"echo-off", echoOff},
	{"many-connections", manyConnections},
	{"burst", burst},
	{"reconnect", reconnect},
}

func main() {
	switch len(os.Args) {
	case 2:
	case 3:
		scenarios = streamScenarios
	case 5:
		scenarios = guardedScenarios(os.Args[1:])
	default:
		fmt.Fprintln(os.Stderr, "usage: program URL [streams] | HOST:PORT WEBSOCKET-HOST:PORT CA-FILE SEED-FILE")
		os.Exit(2)
	}
	for _, each := range scenarios {
		if err := runWithin(patience, each, os.Args[1]); err != nil {
			fmt.Fprintf(os.Stderr, "failed %s: %v\n", each.name, err)
			os.Exit(1)
		}
		fmt.Println("ok", each.name)
	}
}

// runWithin turns the panics by which the helpers below report a failure into an error.
func runWithin(limit time.Duration, each scenario, url string) error {
	finished := make(chan error, 1)
	go func() {
		defer func() {
			if failure := recover(); failure != nil {
				finished <- fmt.Errorf("%v", failure)
			}
		}()
		each.run(url)
		finished <- nil
	}()
	select {
	case err := <-finished:
		return err
	case <-time.After(limit):
		return fmt.Errorf("no end within %s", limit)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect[T comparable](actual, expected T, what string) {
	if actual != expected {
		panic(fmt.Sprintf("%s: expected %s, got %s", what, shortened(expected), shortened(actual)))
	}
}

func shortened(value any) string {
	return fmt.Sprintf("%.300s", fmt.Sprint(value))
}

func expectAll[T comparable](actual, expected []T, what string) {
	expect(len(actual), len(expected), "number of "+what)
	for index := range expected {
		expect(actual[index], expected[index], fmt.Sprintf("%s, at %d", what, index))
	}
}

func expectError(actual, expected error, what string) {
	if !errors.Is(actual, expected) {
		panic(fmt.Sprintf("%s: expected the error %q, got %v", what, expected, actual))
	}
}

func open(url string, options ...nats.Option) *nats.Conn {
	// A full queue in this program must never look like a loss in the server.
	defaults := []nats.Option{nats.NoReconnect(), nats.DrainTimeout(patience), nats.SyncQueueLen(200_000)}
	options = append(defaults, options...)
	client, err := nats.Connect(url, options...)
	must(err)
	return client
}

func openMany(url string, count int, options ...nats.Option) []*nats.Conn {
	clients := make([]*nats.Conn, count)
	for index := range clients {
		clients[index] = open(url, options...)
	}
	return clients
}

func closeAll(clients ...*nats.Conn) {
	for _, client := range clients {
		client.Close()
	}
}

func flush(clients ...*nats.Conn) {
	for _, client := range clients {
		must(client.FlushTimeout(patience))
	}
}

func subscribe(client *nats.Conn, subject string) *nats.Subscription {
	subscription, err := client.SubscribeSync(subject)
	must(err)
	must(subscription.SetPendingLimits(-1, -1))
	return subscription
}

func subscribeQueue(client *nats.Conn, subject, group string) *nats.Subscription {
	subscription, err := client.QueueSubscribeSync(subject, group)
	must(err)
	must(subscription.SetPendingLimits(-1, -1))
	return subscription
}

// handle replies, relays or records in the client's own goroutine of the subscription.
func handle(client *nats.Conn, subject string, handler nats.MsgHandler) *nats.Subscription {
	subscription, err := client.Subscribe(subject, handler)
	must(err)
	must(subscription.SetPendingLimits(-1, -1))
	return subscription
}

func receive(subscription *nats.Subscription) *nats.Msg {
	message, err := subscription.NextMsg(patience)
	must(err)
	return message
}

func receiveTexts(subscription *nats.Subscription, count int) []string {
	texts := make([]string, count)
	for index := range texts {
		texts[index] = string(receive(subscription).Data)
	}
	return texts
}

// pending is what a subscription has received and nobody has taken yet.
func pending(subscription *nats.Subscription) int {
	messages, _, err := subscription.Pending()
	must(err)
	return messages
}

func numbers(count int) []string {
	texts := make([]string, count)
	for index := range texts {
		texts[index] = strconv.Itoa(index)
	}
	return texts
}
