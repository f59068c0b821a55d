// What Coracle and Flotilla are built on: managing a moa (NIP-86, NIP-98), and being a
// member of it (NIP-43).
import assert from 'node:assert/strict'
import test from 'node:test'
import { start, until } from './moa.mjs'
import { Pool, PublishStatus, Socket, defaultSocketPolicies, makeSocketPolicyAuth, publishOne, requestOne } from '@welshman/net'
import {
  ManagementMethod, RELAY_ADD_MEMBER, RELAY_INVITE, RELAY_JOIN, RELAY_LEAVE, RELAY_MEMBERS, makeEvent, makeHttpAuth, sendManagementRequest,
} from '@welshman/util'
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure'
import { npubEncode } from 'nostr-tools/nip19'

/** person has a key, and connections of its own to relays, which authenticate when asked. */
function person(t) {
  const sk = generateSecretKey()
  const sign = async (template) => finalizeEvent(template, sk)
  const pool = new Pool({
    makeSocket: (url) => new Socket(url, [...defaultSocketPolicies, makeSocketPolicyAuth({ sign, shouldAuth: () => true })]),
  })
  t.after(() => pool.clear())
  const context = { pool }
  return {
    pk: getPublicKey(sk),
    sign,
    publish: async (url, kind, opts = {}) => publishOne({ relay: url, event: await sign(makeEvent(kind, opts)), context }),
    request: (url, ...filters) => requestOne({ relay: url, filters, context, autoClose: true, signal: AbortSignal.timeout(20_000) }),
  }
}

/** call makes a call of the management API. */
async function call(moa, by, method, ...params) {
  const request = { method, params }
  const auth = await makeHttpAuth(moa.http, 'POST', JSON.stringify(request))
  return sendManagementRequest(moa.http, request, await by.sign(auth))
}

test('a relay is managed', async (t) => {
  const [admin, spammer] = [person(t), person(t)]
  const moa = await start(t, `[admin]\nadministrators = ["${npubEncode(admin.pk)}"]\n`)
  const supported = await call(moa, admin, ManagementMethod.SupportedMethods)
  for (const method of Object.values(ManagementMethod)) {
    assert.ok(method === ManagementMethod.SupportedMethods || supported.result.includes(method), method)
  }
  assert.match((await call(moa, spammer, ManagementMethod.SupportedMethods)).error, /does not manage/)
  assert.equal((await spammer.publish(moa.url, 1, { content: 'buy' })).status, PublishStatus.Success)
  assert.equal((await call(moa, admin, ManagementMethod.BanPubkey, spammer.pk, 'spam')).result, true)
  const refused = await spammer.publish(moa.url, 1, { content: 'buy more' })
  assert.equal(refused.status, PublishStatus.Failure)
  assert.match(refused.detail, /^blocked: /)
  assert.deepEqual((await call(moa, admin, ManagementMethod.ListBannedPubkeys)).result, [{ pubkey: spammer.pk, reason: 'spam' }])
  const [note] = await admin.request(moa.url, { authors: [spammer.pk] })
  assert.equal((await call(moa, admin, ManagementMethod.BanEvent, note.id, 'spam')).result, true)
  assert.deepEqual(await person(t).request(moa.url, { authors: [spammer.pk] }), [])
  assert.equal((await call(moa, admin, ManagementMethod.ChangeRelayName, 'Nest')).result, true)
  const info = await fetch(moa.http, { headers: { Accept: 'application/nostr+json' } }).then((r) => r.json())
  assert.equal(info.name, 'Nest')
})

test('people are invited, join and leave', async (t) => {
  const [admin, guest] = [person(t), person(t)]
  const moa = await start(t, `[admin]
administrators = ["${npubEncode(admin.pk)}"]
[members]
enabled = true
[[policy]]
use = "allow"
members = true
`)
  const join = (claim) => guest.publish(moa.url, RELAY_JOIN, { tags: [['claim', claim]] })
  assert.equal((await join('guessed')).status, PublishStatus.Failure)
  const [invite] = await admin.request(moa.url, { kinds: [RELAY_INVITE] })
  const [, claim] = invite.tags.find(([name]) => name === 'claim')
  const joined = await join(claim)
  assert.equal(joined.status, PublishStatus.Success)
  assert.match(joined.detail, /^info: welcome/)
  assert.equal((await guest.publish(moa.url, 1, { content: 'hello' })).status, PublishStatus.Success)
  const listed = async () => {
    const lists = await person(t).request(moa.url, { kinds: [RELAY_MEMBERS] })
    return lists.some((e) => e.tags.some(([name, pk]) => name === 'member' && pk === guest.pk))
  }
  await until(listed, 'the list of members names the guest')
  const [added] = await admin.request(moa.url, { kinds: [RELAY_ADD_MEMBER], '#p': [guest.pk] })
  assert.equal(added.pubkey, invite.pubkey)
  assert.equal((await guest.publish(moa.url, RELAY_LEAVE, { tags: [['-']] })).status, PublishStatus.Success)
  await until(async () => !(await listed()), 'the list of members does not name the guest')
  const refused = await guest.publish(moa.url, 1, { content: 'goodbye' })
  assert.match(refused.detail, /^restricted: /)
})
