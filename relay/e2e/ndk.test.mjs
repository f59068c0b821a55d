import assert from 'node:assert/strict'
import test from 'node:test'
import { start, until } from './moa.mjs'
import NDK, { NDKEvent, NDKPrivateKeySigner, NDKRelayAuthPolicies } from '@nostr-dev-kit/ndk'

/** client connects an NDK with a fresh key to the relay. */
async function client(t, url) {
  const signer = NDKPrivateKeySigner.generate()
  const ndk = new NDK({ explicitRelayUrls: [url], signer, enableOutboxModel: false })
  ndk.relayAuthDefaultPolicy = NDKRelayAuthPolicies.signIn({ ndk, signer })
  await ndk.connect(5000)
  await until(() => ndk.pool.connectedRelays().length === 1, 'connected')
  t.after(() => ndk.pool.relays.forEach((r) => r.disconnect()))
  return { ndk, pubkey: (await signer.user()).pubkey }
}

async function publish(ndk, kind, content, tags = []) {
  const event = new NDKEvent(ndk, { kind, content, tags })
  await event.publish()
  return event
}

test('publish, query, live subscription, count, deletion', async (t) => {
  const moa = await start(t)
  const { ndk, pubkey } = await client(t, moa.url)
  const reader = await client(t, moa.url)

  const live = []
  const sub = reader.ndk.subscribe({ kinds: [1], authors: [pubkey] }, { closeOnEose: false, groupable: false })
  sub.on('event', (e) => live.push(e.content))
  await new Promise((resolve) => sub.on('eose', resolve))

  const one = await publish(ndk, 1, 'one')
  await publish(ndk, 1, 'two')
  await until(() => live.length === 2, 'two live notes')
  assert.deepEqual(live, ['one', 'two'])

  const found = await reader.ndk.fetchEvents({ kinds: [1], authors: [pubkey] })
  assert.equal(found.size, 2)
  assert.equal((await reader.ndk.count({ kinds: [1], authors: [pubkey] })).count, 2)

  await one.delete('a slip')
  assert.equal((await reader.ndk.count({ kinds: [1], authors: [pubkey] })).count, 1)
})

test('auth: a protected note goes in once its author has signed in', async (t) => {
  const moa = await start(t)
  const { ndk, pubkey } = await client(t, moa.url)
  const note = new NDKEvent(ndk, { kind: 1, content: 'mine', tags: [['-']] })
  await note.sign()
  // The first try may be the one that makes the relay ask who we are.
  await until(() => note.publish().then(() => true, () => false), 'the protected note is accepted')
  const found = await ndk.fetchEvents({ kinds: [1], authors: [pubkey] })
  assert.equal(found.size, 1)
})

test('a region by its path, with and without a slash behind it', async (t) => {
  const moa = await start(t, '[[policy]]\nuse = "scopes"\npaths = true\n')
  const [{ ndk, pubkey }, { ndk: root }] = [await client(t, `${moa.url}/at/u33`), await client(t, moa.url)]
  await publish(root, 1, 'elsewhere', [['g', '9q8yy']])
  const note = new NDKEvent(ndk, { kind: 1, content: 'here', tags: [['g', 'u33dc'], ['-']] })
  await note.sign()
  await until(() => note.publish().then(() => true, () => false), 'the protected note is accepted')
  const found = await ndk.fetchEvents({ kinds: [1] })
  assert.deepEqual([...found].map((e) => e.pubkey), [pubkey])
  assert.equal((await root.count({ kinds: [1] })).count, 2)
})
