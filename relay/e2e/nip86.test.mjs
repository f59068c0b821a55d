// Managing a moa by the calls of NIP-86, signed by nostr-tools' NIP-98.
import assert from 'node:assert/strict'
import test from 'node:test'
import { start, until, now } from './moa.mjs'
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure'
import { getToken, hashPayload } from 'nostr-tools/nip98'
import { npubEncode } from 'nostr-tools/nip19'
import { Relay } from 'nostr-tools/relay'

const key = () => {
  const sk = generateSecretKey()
  return { sk, pk: getPublicKey(sk) }
}

/** managed starts a relay that one key administers. */
async function managed(t) {
  const admin = key()
  const moa = await start(t, `[admin]\nadministrators = ["${npubEncode(admin.pk)}"]\n`)
  const post = (payload, authorization) =>
    fetch(moa.http, {
      method: 'POST',
      headers: { 'Content-Type': 'application/nostr+json+rpc', Authorization: authorization },
      body: JSON.stringify(payload),
    })
  const call = async (method, ...params) => {
    const payload = { method, params }
    const token = await getToken(moa.http, 'POST', (e) => finalizeEvent(e, admin.sk), true, payload)
    const res = await post(payload, token)
    const answer = await res.json()
    if (!res.ok) throw new Error(`${res.status}: ${answer.error}`)
    return answer.result
  }
  return { moa, admin, post, call }
}

test('a call is signed by getToken', async (t) => {
  const { moa, post, call } = await managed(t)
  assert.ok((await call('supportedmethods')).includes('banpubkey'))
  assert.equal(await call('changerelayname', 'Nest'), true)
  const info = await fetch(moa.http, { headers: { Accept: 'application/nostr+json' } }).then((r) => r.json())
  assert.equal(info.name, 'Nest')
  assert.ok(info.supported_nips.includes(86) && info.supported_nips.includes(98))
  await assert.rejects(call('banpubkey', 7), /400: banpubkey: pubkey: want a string/)

  const stranger = key()
  const payload = { method: 'supportedmethods', params: [] }
  const token = await getToken(moa.http, 'POST', (e) => finalizeEvent(e, stranger.sk), true, payload)
  assert.equal((await post(payload, token)).status, 403)
  assert.equal(hashPayload(payload).length, 64)
  assert.equal((await post(payload, '')).status, 401)
})

test('a ban acts on the connection that is open', async (t) => {
  const { moa, call } = await managed(t)
  const relay = await Relay.connect(moa.url)
  t.after(() => relay.close())
  const spammer = key()
  const note = (content) => finalizeEvent({ kind: 1, content, tags: [], created_at: now() }, spammer.sk)
  await relay.publish(note('one'))
  assert.equal(await call('banpubkey', spammer.pk, 'spam', { erase: true }), true)
  await assert.rejects(relay.publish(note('two')), /blocked: /)
  assert.deepEqual(await call('listbannedpubkeys'), [{ pubkey: spammer.pk, reason: 'spam' }])
  await until(async () => (await relay.count([{ authors: [spammer.pk] }], {})) === 0, 'nothing of the author is stored')
  assert.equal(await call('unbanpubkey', spammer.pk), true)
  await relay.publish(note('three'))
})
