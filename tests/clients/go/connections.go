// Scenarios about subscriptions and connections: their ends, their number, their speed, their return.

package main

import (
	"bufio"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

func subscriptionDrain(url string) {
	publisher, subscriber := open(url), open(url)
	defer closeAll(publisher, subscriber)
	var seen []string
	release, drained := make(chan struct{}), make(chan struct{})
	subscription := handle(subscriber, "drain.subject", func(message *nats.Msg) {
		<-release
		seen = append(seen, string(message.Data))
	})
	subscription.SetClosedHandler(func(string) { close(drained) })
	ended := subscribe(subscriber, "drain.end")
	flush(subscriber)
	for _, body := range numbers(1000) {
		must(publisher.Publish("drain.subject", []byte(body)))
	}
	// After this PONG the server holds every message: an UNSUB that comes later loses none.
	flush(publisher)
	must(subscription.Drain())
	close(release)
	<-drained
	expectAll(seen, numbers(1000), "messages handled by the end of the drain")
	flush(subscriber)
	must(publisher.Publish("drain.subject", []byte("too late")))
	must(publisher.Publish("drain.end", []byte("end")))
	receive(ended)
	expect(len(seen), 1000, "messages after the drain")
}

func connectionDrain(url string) {
	closed := make(chan struct{})
	relay := open(url, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	publisher, observer := open(url), open(url)
	defer closeAll(publisher, observer, relay)
	out := subscribe(observer, "relay.out")
	handle(relay, "relay.in", func(message *nats.Msg) { must(relay.Publish("relay.out", message.Data)) })
	flush(observer, relay)
	for _, body := range numbers(1000) {
		must(publisher.Publish("relay.in", []byte(body)))
	}
	flush(publisher)
	must(relay.Drain())
	<-closed
	expectAll(receiveTexts(out, 1000), numbers(1000), "messages relayed while draining")
}

func autoUnsubscribe(url string) {
	publisher, subscriber := open(url), open(url)
	defer closeAll(publisher, subscriber)
	var seen []string
	subscription := handle(subscriber, "auto.subject", func(message *nats.Msg) {
		seen = append(seen, string(message.Data))
	})
	done := make(chan struct{})
	subscription.SetClosedHandler(func(string) { close(done) })
	must(subscription.AutoUnsubscribe(5))
	ended := subscribe(subscriber, "auto.end")
	flush(subscriber)
	for _, body := range numbers(10) {
		must(publisher.Publish("auto.subject", []byte(body)))
	}
	must(publisher.Publish("auto.end", []byte("end")))
	receive(ended)
	<-done
	expectAll(seen, numbers(5), "messages up to the limit")
	_, err := subscriber.Request("auto.subject", nil, patience)
	expectError(err, nats.ErrNoResponders, "request to the subscription after its limit")
}

func thousandSubscriptions(url string) {
	publisher, subscriber := open(url), open(url)
	defer closeAll(publisher, subscriber)
	var subscriptions []*nats.Subscription
	for _, number := range numbers(1000) {
		subscriptions = append(subscriptions, subscribe(subscriber, "many."+number))
	}
	ended := subscribe(subscriber, "many.end")
	flush(subscriber)
	for _, number := range numbers(1000) {
		must(publisher.Publish("many."+number, []byte("for "+number)))
	}
	must(publisher.Publish("many.end", []byte("end")))
	receive(ended)
	for index, subscription := range subscriptions {
		expect(pending(subscription), 1, "messages of "+subscription.Subject)
		expect(string(receive(subscription).Data), fmt.Sprintf("for %d", index), "message of "+subscription.Subject)
	}
}

func flushAndRTT(url string) {
	client := open(url)
	defer closeAll(client)
	for _, body := range numbers(100) {
		must(client.Publish("flush.nobody", []byte(body)))
		flush(client)
	}
	roundTrip, err := client.RTT()
	must(err)
	expect(roundTrip > 0, true, "round-trip time above zero")
}

func manyConnections(url string) {
	clients := openMany(url, 8)
	defer closeAll(clients...)
	subscriptions := make([]*nats.Subscription, len(clients))
	for index, client := range clients {
		subscriptions[index] = subscribe(client, "mesh.*")
	}
	flush(clients...)
	var publishing sync.WaitGroup
	for sender, client := range clients {
		publishing.Go(func() {
			for _, body := range numbers(1000) {
				// A failure shows as a missing message: a panic here would only hide its cause.
				_ = client.Publish(fmt.Sprintf("mesh.%d", sender), []byte(body))
			}
		})
	}
	publishing.Wait()
	for receiver, subscription := range subscriptions {
		received := map[string][]string{}
		for range len(clients) * 1000 {
			message := receive(subscription)
			received[message.Subject] = append(received[message.Subject], string(message.Data))
		}
		for sender := range clients {
			what := fmt.Sprintf("messages from connection %d at %d", sender, receiver)
			expectAll(received[fmt.Sprintf("mesh.%d", sender)], numbers(1000), what)
		}
	}
}

func burst(url string) {
	publisher, subscriber := open(url), open(url)
	defer closeAll(publisher, subscriber)
	subscription := subscribe(subscriber, "burst")
	flush(subscriber)
	bodies := append(numbers(100_000), "end")
	for _, body := range bodies {
		must(publisher.Publish("burst", []byte(body)))
	}
	flush(publisher)
	expectAll(receiveTexts(subscription, len(bodies)), bodies, "messages of the burst")
}

func reconnect(url string) {
	back := make(chan struct{}, 2)
	clients := openMany(url, 2,
		func(options *nats.Options) error { options.AllowReconnect = true; return nil },
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }),
	)
	defer closeAll(clients...)
	publisher, subscriber := clients[0], clients[1]
	subscriptions := []*nats.Subscription{
		subscribe(subscriber, "again.literal"),
		subscribe(subscriber, "again.*"),
		subscribeQueue(subscriber, "again.literal", "group"),
	}
	for _, text := range []string{"before", "after"} {
		if text == "after" {
			fmt.Println("READY-FOR-RESTART")
			if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
				panic("standard input ended before the server was back")
			}
			<-back
			<-back
		}
		flush(clients...)
		must(publisher.Publish("again.literal", []byte(text)))
		for _, subscription := range subscriptions {
			expect(string(receive(subscription).Data), text, subscription.Subject+" "+text+" the restart")
		}
	}
}
