import assert from 'node:assert/strict'
import test from 'node:test'
import { start, now } from './moa.mjs'
import { NostrFetcher } from 'nostr-fetch'
import { Relay } from 'nostr-tools/relay'
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure'

test('all of a time range, in pages, and the latest of an author', async (t) => {
  const moa = await start(t)
  const sk = generateSecretKey()
  const relay = await Relay.connect(moa.url)
  t.after(() => relay.close())
  const notes = Array.from({ length: 30 }, (_, i) =>
    finalizeEvent({ kind: 1, content: `note ${i}`, tags: [], created_at: now() - 1000 + i }, sk))
  for (const e of notes) await relay.publish(e)

  const fetcher = NostrFetcher.init()
  t.after(() => fetcher.shutdown())
  // It waits for an EOSE of two elements.
  const all = await fetcher.fetchAllEvents([moa.url], { kinds: [1] }, { since: now() - 2000 }, { limitPerReq: 7 })
  assert.deepEqual(new Set(all.map((e) => e.id)), new Set(notes.map((e) => e.id)))
  const latest = await fetcher.fetchLatestEvents([moa.url], { kinds: [1], authors: [getPublicKey(sk)] }, 3)
  assert.deepEqual(latest.map((e) => e.content), ['note 29', 'note 28', 'note 27'])
})
