// Scenarios about what a message carries and where it goes. Between two connections, a scenario
// only relies on what the protocol promises: a PONG proves that earlier subscriptions are live, and
// messages of one publisher arrive at one subscriber in order, so an `end` message proves that
// nothing else is still on its way.

package main

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

func publishSubscribe(url string) {
	publisher, subscriber := open(url), open(url)
	defer closeAll(publisher, subscriber)
	subscription := subscribe(subscriber, "plain.subject")
	flush(subscriber)
	binary := make([]byte, 256)
	for index := range binary {
		binary[index] = byte(index)
	}
	must(publisher.Publish("plain.other", []byte("not for us")))
	must(publisher.Publish("plain.subject", []byte("hello")))
	must(publisher.Publish("plain.subject", nil))
	must(publisher.PublishRequest("plain.subject", "plain.reply", binary))
	first, empty, last := receive(subscription), receive(subscription), receive(subscription)
	expectAll([]string{first.Subject, string(first.Data), first.Reply}, []string{"plain.subject", "hello", ""}, "first message")
	expect(len(empty.Data), 0, "length of the empty payload")
	expect(string(last.Data), string(binary), "binary payload")
	expect(last.Reply, "plain.reply", "reply subject")
}

func wildcards(url string) {
	publisher, subscriber := open(url), open(url)
	defer closeAll(publisher, subscriber)
	published := []string{"wild", "wild.a", "wild.a.x", "wild.a.b.x", "wild.b.x", "other.a.x", "wildcards-end"}
	expected := map[string][]string{
		"wild.*.x": {"wild.a.x", "wild.b.x"},
		"wild.*":   {"wild.a"},
		"*.a.*":    {"wild.a.x", "other.a.x"},
		"wild.>":   {"wild.a", "wild.a.x", "wild.a.b.x", "wild.b.x"},
		">":        published,
	}
	subscriptions := map[string]*nats.Subscription{}
	for pattern := range expected {
		subscriptions[pattern] = subscribe(subscriber, pattern)
	}
	flush(subscriber)
	for _, subject := range published {
		must(publisher.Publish(subject, []byte("body")))
	}
	for pattern, subjects := range expected {
		for _, subject := range subjects {
			expect(receive(subscriptions[pattern]).Subject, subject, "subject at "+pattern)
		}
	}
	// The subscription to `>` has seen the end marker, so nothing else is on its way.
	for pattern, subscription := range subscriptions {
		expect(pending(subscription), 0, "messages left over at "+pattern)
	}
}

func requestReply(url string) {
	requester, responder := open(url), open(url)
	defer closeAll(requester, responder)
	handle(responder, "service.echo", func(message *nats.Msg) {
		must(message.Respond(append([]byte("re: "), message.Data...)))
	})
	flush(responder)
	replies := make(chan error, 200)
	for _, body := range numbers(200) {
		go func() {
			reply, err := requester.Request("service.echo", []byte(body), patience)
			if err == nil && string(reply.Data) != "re: "+body {
				err = fmt.Errorf("request %s was answered with %s", body, reply.Data)
			}
			replies <- err
		}()
	}
	for range 200 {
		must(<-replies)
	}
}

func noResponders(url string) {
	client := open(url)
	defer closeAll(client)
	_, err := client.Request("service.nobody", nil, patience)
	expectError(err, nats.ErrNoResponders, "request that nobody serves")
}

func requestTimeout(url string) {
	requester, silent := open(url), open(url)
	defer closeAll(requester, silent)
	subscribe(silent, "service.silent")
	flush(silent)
	_, err := requester.Request("service.silent", nil, 200*time.Millisecond)
	expectError(err, nats.ErrTimeout, "request to a silent service")
}

func queueGroups(url string) {
	groups := []string{"workers", "workers", "workers", "auditors", "auditors", ""}
	publisher, members := open(url), openMany(url, len(groups))
	defer closeAll(append(members, publisher)...)
	jobs, ends := make([]*nats.Subscription, len(groups)), make([]*nats.Subscription, len(groups))
	for index, group := range groups {
		jobs[index] = subscribeQueue(members[index], "queue.jobs", group)
		ends[index] = subscribe(members[index], "queue.end")
	}
	flush(members...)
	for _, body := range numbers(600) {
		must(publisher.Publish("queue.jobs", []byte(body)))
	}
	must(publisher.Publish("queue.end", []byte("end")))
	together := map[string][]int{}
	for index, group := range groups {
		receive(ends[index])
		var share []int
		for _, text := range receiveTexts(jobs[index], pending(jobs[index])) {
			number, err := strconv.Atoi(text)
			must(err)
			share = append(share, number)
		}
		expect(len(share) > 0, true, "work for each member of "+group)
		expect(slices.IsSorted(share), true, "order within a member of "+group)
		together[group] = append(together[group], share...)
	}
	for group, all := range together {
		slices.Sort(all)
		expect(len(all), 600, "number of messages of group "+group)
		for index, number := range all {
			expect(number, index, "message of group "+group)
		}
	}
}

func headers(url string) {
	publisher, subscriber := open(url), open(url)
	defer closeAll(publisher, subscriber)
	sent := nats.Header{
		"Trace-Id":   {"abc-123"},
		"lower-case": {"kept as it is"},
		"Many":       {"first", "second: with colon", "third"},
	}
	expectHeaders := func(message *nats.Msg, what string) {
		expect(reflect.DeepEqual(message.Header, sent), true, fmt.Sprintf("%s (%v) are as sent", what, message.Header))
	}
	subscription := subscribe(subscriber, "headers.plain")
	handle(subscriber, "headers.echo", func(message *nats.Msg) {
		must(message.RespondMsg(&nats.Msg{Header: message.Header, Data: []byte("back")}))
	})
	flush(subscriber)
	must(publisher.PublishMsg(&nats.Msg{Subject: "headers.plain", Header: sent, Data: []byte("with")}))
	must(publisher.Publish("headers.plain", []byte("without")))
	must(publisher.PublishMsg(&nats.Msg{Subject: "headers.plain", Header: sent}))
	with, without, empty := receive(subscription), receive(subscription), receive(subscription)
	expect(string(with.Data), "with", "payload beside headers")
	expectHeaders(with, "headers beside a payload")
	expect(string(without.Data), "without", "payload without headers")
	expect(len(without.Header), 0, "headers that nobody sent")
	expect(len(empty.Data), 0, "payload that nobody sent")
	expectHeaders(empty, "headers without payload")
	reply, err := publisher.RequestMsg(&nats.Msg{Subject: "headers.echo", Header: sent}, patience)
	must(err)
	expect(string(reply.Data), "back", "reply")
	expectHeaders(reply, "headers sent back")
}

func maxPayload(url string) {
	publisher, subscriber := open(url), open(url)
	defer closeAll(publisher, subscriber)
	expect(publisher.MaxPayload(), 1024*1024, "max_payload")
	body := make([]byte, publisher.MaxPayload())
	for index := range body {
		// 251 is prime: no shift by a buffer's size can go unseen.
		body[index] = byte(index % 251)
	}
	handle(subscriber, "large.echo", func(message *nats.Msg) { must(message.Respond(message.Data)) })
	flush(subscriber)
	for range 3 {
		reply, err := publisher.Request("large.echo", body, patience)
		must(err)
		expect(bytes.Equal(reply.Data, body), true, "payload sent back unchanged")
	}
}

func payloadTooLarge(url string) {
	publisher, subscriber := open(url), open(url)
	defer closeAll(publisher, subscriber)
	subscription := subscribe(subscriber, "large.refused")
	flush(subscriber)
	err := publisher.Publish("large.refused", make([]byte, publisher.MaxPayload()+1))
	expectError(err, nats.ErrMaxPayload, "payload above max_payload")
	must(publisher.Publish("large.refused", []byte("still here")))
	expectAll(receiveTexts(subscription, 1), []string{"still here"}, "messages after the refusal")
}

func echoOff(url string) {
	other, quiet := open(url), open(url, nats.NoEcho())
	defer closeAll(other, quiet)
	heard, elsewhere := subscribe(quiet, "echo.subject"), subscribe(other, "echo.subject")
	flush(quiet, other)
	must(quiet.Publish("echo.subject", []byte("own")))
	flush(quiet)
	expectAll(receiveTexts(elsewhere, 1), []string{"own"}, "messages at the other connection")
	must(other.Publish("echo.subject", []byte("end")))
	expectAll(receiveTexts(heard, 1), []string{"end"}, "messages at the connection without echo")
}
