import assert from 'node:assert/strict'
import test from 'node:test'
import { start, until, now } from './moa.mjs'
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure'
import { Relay } from 'nostr-tools/relay'
import { SimplePool } from 'nostr-tools/pool'
import { wrapEvent } from 'nostr-tools/nip17'

const key = () => {
  const sk = generateSecretKey()
  return { sk, pk: getPublicKey(sk) }
}
const sign = (sk, kind, content, tags = []) => finalizeEvent({ kind, content, tags, created_at: now() }, sk)

/** stored collects what a REQ returns up to EOSE. */
const stored = (relay, filters) =>
  new Promise((resolve, reject) => {
    const events = []
    const sub = relay.subscribe(filters, {
      onevent: (e) => events.push(e),
      oneose: () => (resolve(events), sub.close()),
      onclose: (reason) => reject(new Error(reason)),
    })
  })

async function connect(t, url) {
  const relay = await Relay.connect(url)
  t.after(() => relay.close())
  return relay
}

test('publish, query, live subscription, count', async (t) => {
  const moa = await start(t)
  const [writer, reader] = [await connect(t, moa.url), await connect(t, moa.url)]
  const { sk, pk } = key()

  const live = []
  reader.subscribe([{ authors: [pk], kinds: [1] }], { onevent: (e) => live.push(e.content) })

  const odd = 'line\nquote " \\ \u2028 <&> \u007f 🦤'
  for (const content of ['one', 'two', odd]) await writer.publish(sign(sk, 1, content, [['t', 'moa']]))
  await until(() => live.length === 3, 'three live notes')
  assert.deepEqual(live, ['one', 'two', odd])

  const found = await stored(reader, [{ '#t': ['moa'], limit: 2 }])
  assert.equal(found.length, 2)
  assert.equal(await reader.count([{ authors: [pk] }], {}), 3)
})

test('a profile is replaced and an old one is refused', async (t) => {
  const moa = await start(t)
  const relay = await connect(t, moa.url)
  const { sk, pk } = key()
  const at = (seconds, content) => finalizeEvent({ kind: 0, content, tags: [], created_at: now() + seconds }, sk)
  await relay.publish(at(-10, '{"name":"old"}'))
  await relay.publish(at(-5, '{"name":"new"}'))
  await assert.rejects(relay.publish(at(-20, '{"name":"older"}')), /duplicate: a newer version/)
  const found = await stored(relay, [{ kinds: [0], authors: [pk] }])
  assert.deepEqual(found.map((e) => e.content), ['{"name":"new"}'])
})

test('deletion, and no way back for what was deleted', async (t) => {
  const moa = await start(t)
  const relay = await connect(t, moa.url)
  const { sk } = key()
  const note = sign(sk, 1, 'oops')
  await relay.publish(note)
  await relay.publish(sign(sk, 5, '', [['e', note.id]]))
  assert.deepEqual(await stored(relay, [{ ids: [note.id] }]), [])
  await assert.rejects(relay.publish(note), /blocked:/)
})

test('auth: a private message reaches its recipient and nobody else', async (t) => {
  const moa = await start(t)
  const [alice, bob, eve] = [key(), key(), key()]
  const sender = await connect(t, moa.url)
  const wrap = wrapEvent(alice.sk, { publicKey: bob.pk }, 'for bob only')
  await sender.publish(wrap)

  const read = async (who) => {
    const relay = await connect(t, moa.url)
    const filter = [{ kinds: [1059], '#p': [bob.pk] }]
    await assert.rejects(stored(relay, filter), /auth-required:/)
    await relay.auth(async (e) => finalizeEvent(e, who.sk))
    return stored(relay, filter)
  }
  assert.deepEqual((await read(bob)).map((e) => e.id), [wrap.id])
  assert.deepEqual(await read(eve).catch((e) => (assert.match(e.message, /restricted:/), [])), [])
  assert.deepEqual(await stored(sender, [{ ids: [wrap.id] }]), [])
})

test('a pool finds everything again after a restart of its connection', async (t) => {
  const moa = await start(t)
  const { sk, pk } = key()
  const pool = new SimplePool()
  t.after(() => pool.destroy())
  await Promise.all(pool.publish([moa.url], sign(sk, 30023, 'an article', [['d', 'first']])))
  const got = await pool.get([moa.url], { kinds: [30023], authors: [pk], '#d': ['first'] })
  assert.equal(got?.content, 'an article')
})

test('the relay tells about itself', async (t) => {
  const moa = await start(t)
  const res = await fetch(moa.http, { headers: { Accept: 'application/nostr+json, */*;q=0.1' } })
  assert.equal(res.headers.get('content-type'), 'application/nostr+json')
  assert.equal(res.headers.get('access-control-allow-origin'), '*')
  const info = await res.json()
  for (const nip of [1, 9, 11, 40, 42, 45, 62, 70]) assert.ok(info.supported_nips.includes(nip), `NIP-${nip}`)
})

test('a region is a relay of its own, by its path', async (t) => {
  const moa = await start(t, '[[policy]]\nuse = "scopes"\npaths = true\n')
  const [root, berlin] = [await connect(t, moa.url), await connect(t, `${moa.url}/at/u33`)]
  const { sk, pk } = key()
  const live = []
  berlin.subscribe([{ kinds: [1] }], { onevent: (e) => live.push(e.content) })
  await root.publish(sign(sk, 1, 'elsewhere', [['g', '9q8yy']]))
  await root.publish(sign(sk, 1, 'here', [['g', 'u33dc1']]))
  await berlin.publish(sign(sk, 1, 'here, too', [['g', 'u33d']]))
  await assert.rejects(berlin.publish(sign(sk, 1, 'nowhere')), /restricted: only notes within u33/)
  await until(() => live.length === 2, 'two live notes')
  assert.deepEqual(live, ['here', 'here, too'])
  assert.equal((await stored(berlin, [{ kinds: [1] }])).length, 2)
  assert.equal((await stored(root, [{ kinds: [1] }])).length, 3)

  const inbox = [{ kinds: [1059], '#p': [pk] }]
  await assert.rejects(stored(berlin, inbox), /auth-required:/)
  await berlin.auth(async (e) => finalizeEvent(e, sk))
  assert.deepEqual(await stored(berlin, inbox), [])
})
