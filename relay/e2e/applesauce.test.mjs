// Managing a moa as noStrudel does: every call that applesauce has.
import assert from 'node:assert/strict'
import test from 'node:test'
import { start, until, now } from './moa.mjs'
import { Relay, RelayManagement } from 'applesauce-relay'
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure'
import { npubEncode } from 'nostr-tools/nip19'

function key() {
  const sk = generateSecretKey()
  return { pk: getPublicKey(sk), getPublicKey: async () => getPublicKey(sk), signEvent: async (e) => finalizeEvent(e, sk) }
}

/** nextSecond: the same call in the same second is the same event, which a relay takes once. */
async function nextSecond() {
  const stamp = () => Math.round(Date.now() / 1000) // as nostr-tools' getToken dates it
  const before = stamp()
  await until(() => stamp() > before, 'the next second')
}

test('a relay is managed', async (t) => {
  const [admin, author, friend] = [key(), key(), key()]
  const moa = await start(t, `[admin]\nadministrators = ["${npubEncode(admin.pk)}"]\n`)
  const relay = new Relay(moa.url)
  t.after(() => relay.close())
  const desk = new RelayManagement(relay, admin)
  assert.ok((await desk.supportedMethods()).includes('blockip'))
  const note = await author.signEvent({ kind: 1, content: 'hello', tags: [], created_at: now() })
  assert.ok((await relay.publish(note)).ok)

  assert.equal(await desk.banEvent(note.id, 'rude'), true)
  assert.deepEqual(await desk.listBannedEvents(), [{ id: note.id, reason: 'rude' }])
  assert.equal(await desk.allowEvent(note.id, 'sorry'), true)
  await nextSecond()
  assert.deepEqual(await desk.listBannedEvents(), [])
  assert.equal(await desk.banPubkey(author.pk, 'spam'), true)
  assert.deepEqual(await desk.listBannedPubkeys(), [{ pubkey: author.pk, reason: 'spam' }])
  const more = await author.signEvent({ kind: 1, content: 'more', tags: [], created_at: now() })
  assert.match((await relay.publish(more)).message, /^blocked: /)
  assert.equal(await desk.allowPubkey(friend.pk), true)
  assert.deepEqual((await desk.listAllowedPubkeys()).map((one) => one.pubkey), [friend.pk])
  assert.equal(await desk.disallowKind(7), true)
  assert.equal(await desk.allowKind(7), true)
  assert.ok(Array.isArray(await desk.listAllowedKinds()))
  assert.equal(await desk.blockIp('203.0.113.7', 'scans'), true)
  assert.deepEqual(await desk.listBlockedIps(), [{ ip: '203.0.113.7', reason: 'scans' }])
  assert.equal(await desk.unblockIp('203.0.113.7'), true)
  await nextSecond()
  assert.deepEqual(await desk.listBlockedIps(), [])
  assert.deepEqual(await desk.listEventsNeedingModeration(), [])
  for (const change of [desk.changeRelayName('Nest'), desk.changeRelayDescription('of birds'), desk.changeRelayIcon('https://nest.example/i.png')]) {
    assert.equal(await change, true)
  }
  const info = await fetch(moa.http, { headers: { Accept: 'application/nostr+json' } }).then((r) => r.json())
  assert.deepEqual([info.name, info.description, info.icon], ['Nest', 'of birds', 'https://nest.example/i.png'])
  await assert.rejects(new RelayManagement(relay, author).listBannedPubkeys(), (e) => e.statusCode === 403)
})
