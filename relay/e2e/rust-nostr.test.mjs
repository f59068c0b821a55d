import assert from 'node:assert/strict'
import test from 'node:test'
import { start, until } from './moa.mjs'
import {
  Client, Duration, EventBuilder, EventDeletionRequest, Filter, Keys, Kind, NostrSigner, SyncDirection, SyncOptions, Tag,
  UnwrappedGift, loadWasmSync,
} from '@rust-nostr/nostr-sdk'

loadWasmSync()

const patience = () => Duration.fromSecs(10) // the SDK takes what it is given: none is used twice

/** connect makes a client with a fresh key, or without one, that is connected to the relay. */
async function connect(t, url, keys = Keys.generate()) {
  const client = new Client(keys && NostrSigner.keys(keys))
  t.after(() => client.shutdown())
  await client.addRelay(url)
  await client.connect()
  await client.waitForConnection(patience())
  const relay = await client.relay(url)
  assert.ok(relay.isConnected())
  return { client, relay, keys }
}

/** publish has the event signed and sent, and returns its id once the relay has said OK true. */
async function publish({ client }, builder) {
  const { id, success, failed } = await client.sendEventBuilder(builder)
  assert.deepEqual(failed.map((f) => f.error), [])
  assert.equal(success.length, 1)
  return id
}

const notesOf = (keys) => new Filter().kind(new Kind(1)).author(keys.publicKey)
const fetched = async ({ client }, filter) => (await client.fetchEvents(filter, patience())).toVec()

test('publish, query, live subscription, count', async (t) => {
  const moa = await start(t)
  const [writer, reader] = [await connect(t, moa.url), await connect(t, moa.url)]

  const [live, verbs] = [[], []]
  const listening = reader.client.handleNotifications({
    handleEvent: async (_url, _id, e) => (live.push(e.content), false),
    handleMsg: async (_url, m) => (verbs.push(JSON.parse(m.asJson())[0]), false),
  })
  t.after(() => listening.abort())
  await reader.client.subscribe(notesOf(writer.keys))
  await until(() => verbs.includes('EOSE'), 'the end of what is stored')

  const odd = 'line\nquote " \\ \u2028 <&> \u007f 🦤'
  for (const content of ['one', 'two', odd]) {
    await publish(writer, EventBuilder.textNote(content).tags([Tag.hashtag('moa')]))
  }
  await until(() => live.length === 3, 'three live notes')
  assert.deepEqual(live, ['one', 'two', odd])

  const found = await fetched(reader, new Filter().hashtag('moa').limit(2))
  assert.equal(found.length, 2)
  assert.equal(await reader.relay.countEvents(notesOf(writer.keys), patience()), 3n)
})

test('deletion, and no way back for what was deleted', async (t) => {
  const moa = await start(t)
  const author = await connect(t, moa.url)
  const note = await author.client.signEventBuilder(EventBuilder.textNote('oops'))
  await author.client.sendEvent(note)
  assert.equal((await fetched(author, notesOf(author.keys))).length, 1)

  const request = new EventDeletionRequest()
  request.ids = [note.id]
  await publish(author, EventBuilder.delete(request))
  assert.deepEqual(await fetched(author, notesOf(author.keys)), [])
  const again = await author.client.sendEvent(note)
  assert.deepEqual(again.failed.map((f) => f.error.split(':')[0]), ['blocked'])
})

test('auth: a protected note goes in once its author has signed in', async (t) => {
  const moa = await start(t)
  const author = await connect(t, moa.url)
  await publish(author, EventBuilder.textNote('mine').tags([Tag.protected()]))
  assert.deepEqual((await fetched(author, notesOf(author.keys))).map((e) => e.content), ['mine'])
})

test('auth: a private message reaches its recipient and nobody else', async (t) => {
  const moa = await start(t)
  const [alice, bob, eve] = [await connect(t, moa.url), await connect(t, moa.url), await connect(t, moa.url)]
  const { success } = await alice.client.sendPrivateMsgTo([moa.url], bob.keys.publicKey, 'for bob only')
  assert.equal(success.length, 1)

  const wraps = () => new Filter().kind(new Kind(1059)).pubkey(bob.keys.publicKey)
  const got = await fetched(bob, wraps())
  assert.equal(got.length, 1)
  const { rumor, sender } = await UnwrappedGift.fromGiftWrap(NostrSigner.keys(bob.keys), got[0])
  assert.deepEqual([rumor.content, sender.toHex()], ['for bob only', alice.keys.publicKey.toHex()])
  assert.deepEqual(await fetched(eve, wraps()), [])
})

test('a reconciliation brings what the client does not have', async (t) => {
  const moa = await start(t)
  const [writer, reader] = [await connect(t, moa.url), await connect(t, moa.url)]
  const ids = []
  for (let i = 0; i < 30; i++) ids.push((await publish(writer, EventBuilder.textNote(`note ${i}`))).toHex())
  const { report } = await reader.client.sync(notesOf(writer.keys), new SyncOptions().direction(SyncDirection.Down))
  assert.deepEqual(report.received.map((id) => id.toHex()).sort(), ids.sort())
})
