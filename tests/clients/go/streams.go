// Scenarios for a server that has JetStream: streams, consumers, key-value buckets and object stores.
// Every scenario makes streams of its own and removes them; none looks at a clock.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var streamScenarios = []scenario{
	{"streams", streams},
	{"publish-sync", publishSync},
	{"publish-async", publishAsync},
	{"fetch", fetch},
	{"next", next},
	{"consume", consume},
	{"messages", messages},
	{"acknowledgements", acknowledgements},
	{"redelivery", redelivery},
	{"push", push},
	{"ordered", ordered},
	{"key-value", keyValue},
	{"key-value-watch", keyValueWatch},
	{"objects", objects},
	{"object-watch", objectWatch},
	{"account", account},
	{"first-interface", firstInterface},
}

// patient gives what a scenario asks for the time of the whole scenario.
func patient() context.Context {
	ctx, _ := context.WithTimeout(context.Background(), patience)
	return ctx
}

func value[T any](result T, err error) T {
	must(err)
	return result
}

func withContext(url string, body func(js jetstream.JetStream)) {
	client := open(url)
	defer closeAll(client)
	body(value(jetstream.New(client)))
}

// withStream has a stream that listens on `name.>` and goes at the end.
func withStream(url, name string, change func(*jetstream.StreamConfig), body func(jetstream.JetStream, jetstream.Stream)) {
	withContext(url, func(js jetstream.JetStream) {
		config := jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}}
		if change != nil {
			change(&config)
		}
		stream := value(js.CreateStream(patient(), config))
		body(js, stream)
		must(js.DeleteStream(patient(), name))
	})
}

func publish(js jetstream.JetStream, name string, count int) {
	for index, text := range numbers(count) {
		ack := value(js.Publish(patient(), name+"."+text, []byte(text)))
		expect(ack.Stream, name, "stream")
		expect(ack.Sequence, uint64(index+1), "sequence")
	}
}

func expectCode(err error, code jetstream.ErrorCode, what string) {
	var apiError *jetstream.APIError
	if !errors.As(err, &apiError) || apiError.ErrorCode != code {
		panic(fmt.Sprintf("%s: expected the code %d, got %v", what, code, err))
	}
}

func batchTexts(batch jetstream.MessageBatch, each func(jetstream.Msg)) []string {
	var texts []string
	for message := range batch.Messages() {
		texts = append(texts, string(message.Data()))
		if each != nil {
			each(message)
		}
	}
	must(batch.Error())
	return texts
}

func ackSync(message jetstream.Msg) { must(message.DoubleAck(patient())) }

func streams(url string) {
	withContext(url, func(js jetstream.JetStream) {
		config := jetstream.StreamConfig{Name: "manage", Subjects: []string{"manage.>"}, MaxMsgs: 100}
		value(js.CreateStream(patient(), config))
		_, err := js.CreateStream(patient(), jetstream.StreamConfig{Name: "manage", Subjects: []string{"other"}})
		expectError(err, jetstream.ErrStreamNameAlreadyInUse, "another stream of that name")
		config.Description = "changed"
		stream := value(js.UpdateStream(patient(), config))
		expect(stream.CachedInfo().Config.Description, "changed", "description")
		publish(js, "manage", 5)
		info := value(stream.Info(patient(), jetstream.WithSubjectFilter(">"), jetstream.WithDeletedDetails(true)))
		expect(info.State.Msgs, 5, "messages")
		expect(len(info.State.Subjects), 5, "subjects")
		var names []string
		for name := range js.StreamNames(patient()).Name() {
			names = append(names, name)
		}
		expectAll(names, []string{"manage"}, "names")
		expect(value(js.StreamNameBySubject(patient(), "manage.3")), "manage", "stream of a subject")
		expect(string(value(stream.GetMsg(patient(), 2)).Data), "1", "message by sequence")
		expect(value(stream.GetLastMsgForSubject(patient(), "manage.4")).Sequence, 5, "last message")
		must(stream.DeleteMsg(patient(), 2))
		must(stream.SecureDeleteMsg(patient(), 3))
		_, err = stream.GetMsg(patient(), 2)
		expectError(err, jetstream.ErrMsgNotFound, "a deleted message")
		must(stream.Purge(patient(), jetstream.WithPurgeKeep(1)))
		expect(value(stream.Info(patient())).State.Msgs, 1, "messages after a purge")
		must(js.DeleteStream(patient(), "manage"))
		_, err = js.Stream(patient(), "manage")
		expectError(err, jetstream.ErrStreamNotFound, "a deleted stream")
	})
}

func publishSync(url string) {
	withStream(url, "sync", nil, func(js jetstream.JetStream, stream jetstream.Stream) {
		options := []jetstream.PublishOpt{jetstream.WithMsgID("one"), jetstream.WithExpectStream("sync")}
		first := value(js.Publish(patient(), "sync.a", []byte("hello"), options...))
		again := value(js.Publish(patient(), "sync.a", []byte("hello"), options...))
		expect(first.Duplicate, false, "the first is new")
		expect(again.Duplicate, true, "the second is not")
		_, err := js.Publish(patient(), "sync.a", nil, jetstream.WithExpectLastSequence(7))
		expectCode(err, jetstream.JSErrCodeStreamWrongLastSequence, "expected sequence")
		_, err = js.Publish(patient(), "sync.a", nil, jetstream.WithExpectStream("other"))
		expectCode(err, 10060, "expected stream")
		header := nats.Header{"Many": {"first", "second"}}
		value(js.PublishMsg(patient(), &nats.Msg{Subject: "sync.b", Header: header}))
		expectAll(value(stream.GetMsg(patient(), 2)).Header.Values("Many"), header["Many"], "stored headers")
	})
}

func publishAsync(url string) {
	withStream(url, "async", nil, func(js jetstream.JetStream, stream jetstream.Stream) {
		var futures []jetstream.PubAckFuture
		for _, text := range numbers(500) {
			futures = append(futures, value(js.PublishAsync("async.a", []byte(text))))
		}
		<-js.PublishAsyncComplete()
		for index, future := range futures {
			select {
			case ack := <-future.Ok():
				expect(ack.Sequence, uint64(index+1), "sequence")
			case err := <-future.Err():
				must(err)
			}
		}
	})
}

func fetch(url string) {
	withStream(url, "fetch", nil, func(js jetstream.JetStream, stream jetstream.Stream) {
		publish(js, "fetch", 10)
		consumer := value(stream.CreateConsumer(patient(), jetstream.ConsumerConfig{Durable: "worker"}))
		first := value(consumer.Fetch(4, jetstream.FetchMaxWait(patience)))
		expectAll(batchTexts(first, ackSync), numbers(4), "first batch")
		expectAll(batchTexts(value(consumer.FetchNoWait(20)), nil), numbers(10)[4:], "second batch")
		expect(len(batchTexts(value(consumer.FetchNoWait(1)), nil)), 0, "messages that are not there")
		expect(len(batchTexts(value(consumer.Fetch(1, jetstream.FetchMaxWait(200*time.Millisecond))), nil)), 0, "messages in time")
		info := value(consumer.Info(patient()))
		expect(info.NumAckPending, 6, "unacknowledged")
		expect(info.AckFloor.Stream, 4, "floor")
		var names []string
		for name := range stream.ConsumerNames(patient()).Name() {
			names = append(names, name)
		}
		expectAll(names, []string{"worker"}, "consumers")
		must(stream.DeleteConsumer(patient(), "worker"))
		_, err := stream.Consumer(patient(), "worker")
		expectError(err, jetstream.ErrConsumerNotFound, "a deleted consumer")
	})
}

func next(url string) {
	withStream(url, "next", nil, func(js jetstream.JetStream, stream jetstream.Stream) {
		publish(js, "next", 1)
		consumer := value(stream.CreateConsumer(patient(), jetstream.ConsumerConfig{Durable: "worker"}))
		message := value(consumer.Next(jetstream.FetchMaxWait(patience)))
		metadata := value(message.Metadata())
		expect(metadata.Sequence.Stream, 1, "sequence")
		expect(metadata.NumPending, 0, "messages behind it")
		ackSync(message)
	})
}

func consume(url string) {
	withStream(url, "consume", nil, func(js jetstream.JetStream, stream jetstream.Stream) {
		consumer := value(stream.CreateConsumer(patient(), jetstream.ConsumerConfig{Durable: "worker"}))
		received := make(chan string, 100)
		consuming := value(consumer.Consume(func(message jetstream.Msg) {
			must(message.Ack())
			received <- string(message.Data())
		}, jetstream.PullMaxMessages(10)))
		publish(js, "consume", 100)
		for _, text := range numbers(100) {
			expect(<-received, text, "message")
		}
		consuming.Drain()
		<-consuming.Closed()
	})
}

func messages(url string) {
	withStream(url, "messages", nil, func(js jetstream.JetStream, stream jetstream.Stream) {
		publish(js, "messages", 20)
		config := jetstream.ConsumerConfig{FilterSubjects: []string{"messages.3", "messages.7"}}
		iterator := value(value(stream.CreateConsumer(patient(), config)).Messages())
		for _, text := range []string{"3", "7"} {
			message := value(iterator.Next())
			expect(string(message.Data()), text, "message")
			ackSync(message)
		}
		iterator.Stop()
	})
}

func acknowledgements(url string) {
	workQueue := func(config *jetstream.StreamConfig) { config.Retention = jetstream.WorkQueuePolicy }
	withStream(url, "acks", workQueue, func(js jetstream.JetStream, stream jetstream.Stream) {
		publish(js, "acks", 3)
		consumer := value(stream.CreateConsumer(patient(), jetstream.ConsumerConfig{Durable: "worker"}))
		take := func() jetstream.Msg { return value(consumer.Next(jetstream.FetchMaxWait(patience))) }
		kept, refused, ended := take(), take(), take()
		must(kept.InProgress())
		ackSync(kept)
		must(refused.Nak())
		must(ended.TermWithReason("never again"))
		again := take()
		expect(string(again.Data()), "1", "redelivered message")
		expect(value(again.Metadata()).NumDelivered, 2, "deliveries")
		ackSync(again)
		for value(stream.Info(patient())).State.Msgs > 0 {
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func redelivery(url string) {
	withStream(url, "again", nil, func(js jetstream.JetStream, stream jetstream.Stream) {
		publish(js, "again", 1)
		config := jetstream.ConsumerConfig{AckWait: 200 * time.Millisecond}
		consumer := value(stream.CreateConsumer(patient(), config))
		value(consumer.Next(jetstream.FetchMaxWait(patience)))
		again := value(consumer.Next(jetstream.FetchMaxWait(patience)))
		expect(value(again.Metadata()).NumDelivered, 2, "deliveries")
		must(again.NakWithDelay(100 * time.Millisecond))
		ackSync(value(consumer.Next(jetstream.FetchMaxWait(patience))))
	})
}

func push(url string) {
	withStream(url, "push", nil, func(js jetstream.JetStream, stream jetstream.Stream) {
		publish(js, "push", 5)
		config := jetstream.ConsumerConfig{
			Durable: "pushed", DeliverSubject: "delivered.here", FlowControl: true, IdleHeartbeat: time.Second,
		}
		consumer := value(stream.CreatePushConsumer(patient(), config))
		received := make(chan jetstream.Msg, 5)
		consuming := value(consumer.Consume(func(message jetstream.Msg) { received <- message }))
		for _, text := range numbers(5) {
			message := <-received
			expect(string(message.Data()), text, "message")
			ackSync(message)
		}
		expect(value(consumer.Info(patient())).AckFloor.Stream, 5, "floor")
		consuming.Stop()
	})
}

func ordered(url string) {
	inMemory := func(config *jetstream.StreamConfig) { config.Storage = jetstream.MemoryStorage }
	withStream(url, "ordered", inMemory, func(js jetstream.JetStream, stream jetstream.Stream) {
		publish(js, "ordered", 50)
		consumer := value(stream.OrderedConsumer(patient(), jetstream.OrderedConsumerConfig{}))
		iterator := value(consumer.Messages())
		for _, text := range numbers(50) {
			expect(string(value(iterator.Next()).Data()), text, "message in order")
		}
		value(js.Publish(patient(), "ordered.more", []byte("more")))
		expect(string(value(iterator.Next()).Data()), "more", "a later message")
		iterator.Stop()
	})
}

func account(url string) {
	withStream(url, "account", nil, func(js jetstream.JetStream, stream jetstream.Stream) {
		publish(js, "account", 1)
		info := value(js.AccountInfo(patient()))
		expect(info.Streams, 1, "streams")
		expect(info.Store > 0, true, "bytes in use")
	})
}

// firstInterface uses the interface that most programs were written against.
func firstInterface(url string) {
	client := open(url)
	defer closeAll(client)
	js := value(client.JetStream(nats.MaxWait(patience)))
	value(js.AddStream(&nats.StreamConfig{Name: "first", Subjects: []string{"first.>"}}))
	for _, text := range numbers(10) {
		value(js.Publish("first.a", []byte(text)))
	}
	pull := value(js.PullSubscribe("first.>", "pulled"))
	for index, message := range value(pull.Fetch(10, nats.MaxWait(patience))) {
		expect(string(message.Data), numbers(10)[index], "pulled message")
		must(message.AckSync())
	}
	pushed := value(js.SubscribeSync("first.>", nats.OrderedConsumer()))
	for _, text := range numbers(10) {
		expect(string(value(pushed.NextMsg(patience)).Data), text, "message in order")
	}
	durable := value(js.QueueSubscribeSync("first.>", "group", nats.Durable("group"), nats.ManualAck()))
	for _, text := range numbers(10) {
		message := value(durable.NextMsg(patience))
		expect(string(message.Data), text, "message of the group")
		must(message.AckSync())
	}
	must(pushed.Unsubscribe())
	must(durable.Unsubscribe())
	must(js.DeleteStream("first"))
}

func keyValue(url string) {
	withContext(url, func(js jetstream.JetStream) {
		bucket := value(js.CreateKeyValue(patient(), jetstream.KeyValueConfig{Bucket: "config", History: 5}))
		expect(value(bucket.PutString(patient(), "color", "red")), 1, "revision")
		expect(value(bucket.Create(patient(), "size", []byte("1"))), 2, "revision")
		_, err := bucket.Create(patient(), "size", []byte("2"))
		expectError(err, jetstream.ErrKeyExists, "a second creation")
		expect(value(bucket.Update(patient(), "size", []byte("2"), 2)), 3, "revision")
		_, err = bucket.Update(patient(), "size", []byte("3"), 2)
		expectCode(err, jetstream.JSErrCodeStreamWrongLastSequence, "an old revision")
		entry := value(bucket.Get(patient(), "color"))
		expect(string(entry.Value()), "red", "value")
		expect(entry.Revision(), 1, "revision")
		expect(string(value(bucket.GetRevision(patient(), "size", 2)).Value()), "1", "older value")
		expect(len(value(bucket.History(patient(), "size"))), 2, "history")
		keys := value(bucket.Keys(patient()))
		slices.Sort(keys)
		expectAll(keys, []string{"color", "size"}, "keys")
		must(bucket.Delete(patient(), "color"))
		_, err = bucket.Get(patient(), "color")
		expectError(err, jetstream.ErrKeyNotFound, "a deleted key")
		expect(value(bucket.Create(patient(), "color", []byte("blue"))), 5, "revision after a deletion")
		must(bucket.Purge(patient(), "size"))
		history := value(bucket.History(patient(), "size"))
		expect(len(history), 1, "history after a purge")
		expect(history[0].Operation(), jetstream.KeyValuePurge, "operation")
		status := value(bucket.Status(patient()))
		expect(status.Bucket(), "config", "bucket")
		expect(status.History(), 5, "history")
		must(bucket.PurgeDeletes(patient(), jetstream.DeleteMarkersOlderThan(-1)))
		expect(value(bucket.Status(patient())).Values(), 3, "values after markers are gone")
		for name := range js.KeyValueStoreNames(patient()).Name() {
			expect(name, "config", "bucket in the list")
		}
		must(js.DeleteKeyValue(patient(), "config"))
	})
}

func keyValueWatch(url string) {
	withContext(url, func(js jetstream.JetStream) {
		bucket := value(js.CreateKeyValue(patient(), jetstream.KeyValueConfig{Bucket: "watched"}))
		empty := value(bucket.WatchAll(patient()))
		expect(<-empty.Updates() == nil, true, "the end of nothing")
		must(empty.Stop())
		for _, pair := range [][2]string{{"a", "1"}, {"b", "2"}, {"a", "3"}} {
			value(bucket.PutString(patient(), pair[0], pair[1]))
		}
		watcher := value(bucket.Watch(patient(), "*"))
		change := func() string {
			entry := <-watcher.Updates()
			if entry == nil {
				return "end"
			}
			return fmt.Sprintf("%s %s %s", entry.Key(), entry.Value(), entry.Operation())
		}
		expectAll([]string{change(), change(), change()}, []string{"b 2 KeyValuePutOp", "a 3 KeyValuePutOp", "end"}, "values")
		value(bucket.PutString(patient(), "c", "4"))
		must(bucket.Delete(patient(), "a"))
		expectAll([]string{change(), change()}, []string{"c 4 KeyValuePutOp", "a  KeyValueDeleteOp"}, "changes")
		must(watcher.Stop())
		must(js.DeleteKeyValue(patient(), "watched"))
	})
}

func objects(url string) {
	withContext(url, func(js jetstream.JetStream) {
		store := value(js.CreateObjectStore(patient(), jetstream.ObjectStoreConfig{Bucket: "files"}))
		body := make([]byte, 500_000)
		for index := range body {
			body[index] = byte(index % 251)
		}
		info := value(store.PutBytes(patient(), "large", body))
		expect(info.Chunks > 1, true, "several chunks")
		expect(bytes.Equal(value(store.GetBytes(patient(), "large")), body), true, "bytes that come back")
		value(store.PutString(patient(), "small", "one"))
		value(store.PutString(patient(), "small", "two"))
		expect(value(store.GetString(patient(), "small")), "two", "a replaced object")
		expect(len(value(store.List(patient()))), 2, "objects")
		value(store.AddLink(patient(), "linked", value(store.GetInfo(patient(), "small"))))
		expect(value(store.GetString(patient(), "linked")), "two", "a link")
		must(store.UpdateMeta(patient(), "small", jetstream.ObjectMeta{Name: "renamed"}))
		expect(value(store.GetString(patient(), "renamed")), "two", "a renamed object")
		must(store.Delete(patient(), "large"))
		_, err := store.GetInfo(patient(), "large")
		expectError(err, jetstream.ErrObjectNotFound, "a deleted object")
		expect(value(store.Status(patient())).Bucket(), "files", "bucket")
		must(store.Seal(patient()))
		_, err = store.PutString(patient(), "more", "more")
		expect(err != nil, true, "a sealed store refuses")
		must(js.DeleteObjectStore(patient(), "files"))
	})
}

func objectWatch(url string) {
	withContext(url, func(js jetstream.JetStream) {
		store := value(js.CreateObjectStore(patient(), jetstream.ObjectStoreConfig{Bucket: "seen"}))
		value(store.PutString(patient(), "a", "1"))
		watcher := value(store.Watch(patient()))
		expect((<-watcher.Updates()).Name, "a", "object at first")
		expect(<-watcher.Updates() == nil, true, "the end of what was there")
		value(store.PutString(patient(), "b", "2"))
		must(store.Delete(patient(), "a"))
		expect((<-watcher.Updates()).Name, "b", "a new object")
		expect((<-watcher.Updates()).Deleted, true, "a deleted object")
		must(watcher.Stop())
		must(js.DeleteObjectStore(patient(), "seen"))
	})
}
