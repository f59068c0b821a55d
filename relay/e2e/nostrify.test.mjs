import assert from 'node:assert/strict'
import test from 'node:test'
import { start, until, now } from './moa.mjs'
import { NRelay1 } from '@nostrify/nostrify'
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure'

const sk = generateSecretKey()
const note = (content, tags = []) => finalizeEvent({ kind: 1, content, tags, created_at: now() }, sk)

async function connect(t) {
  const moa = await start(t)
  const relay = new NRelay1(moa.url)
  t.after(() => relay.close())
  return relay
}

test('publish, query, count', async (t) => {
  const relay = await connect(t)
  const events = [note('one', [['t', 'moa']]), note('two')]
  for (const e of events) await relay.event(e)
  // It counts the elements of EOSE.
  const found = await relay.query([{ '#t': ['moa'] }], { signal: AbortSignal.timeout(20_000) })
  assert.deepEqual(found.map((e) => e.content), ['one'])
  assert.equal((await relay.count([{ authors: [getPublicKey(sk)] }])).count, 2)
})

test('a live subscription ends its stored part and goes on', async (t) => {
  const relay = await connect(t)
  await relay.event(note('stored'))
  const heard = []
  const stop = new AbortController()
  const listening = (async () => {
    for await (const message of relay.req([{ kinds: [1] }], { signal: stop.signal })) heard.push(message)
  })().catch((e) => assert.equal(e.name, 'AbortError'))
  await until(() => heard.some((m) => m[0] === 'EOSE'), 'EOSE')
  await relay.event(note('live'))
  await until(() => heard.filter((m) => m[0] === 'EVENT').length === 2, 'the live note')
  stop.abort()
  await listening
  assert.deepEqual(heard.map((m) => (m[0] === 'EVENT' ? m[2].content : m[0])), ['stored', 'EOSE', 'live'])
})
