// Starts a moa of this checkout on a free port with a data folder of its own.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import WebSocket from 'ws'

globalThis.WebSocket ??= WebSocket // Node 20 has none of its own

const repo = fileURLToPath(new URL('../..', import.meta.url))
const scratch = mkdtempSync(path.join(os.tmpdir(), 'moa-e2e-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

let binary = process.env.MOA_BIN

function build() {
  if (!binary) {
    binary = path.join(scratch, 'moa')
    execFileSync('go', ['build', '-o', binary, './cmd/moa'], { cwd: repo, stdio: 'inherit' })
  }
  return binary
}

function freePort() {
  return new Promise((resolve, reject) => {
    const s = net.createServer()
    s.on('error', reject)
    s.listen(0, '127.0.0.1', () => {
      const { port } = s.address()
      s.close(() => resolve(port))
    })
  })
}

/** start runs `moa serve`, with the TOML given, until the test t is over. */
export async function start(t, toml = '') {
  const dir = mkdtempSync(path.join(scratch, 'relay-'))
  const port = await freePort()
  const args = ['serve', '--listen', `127.0.0.1:${port}`, '--data', path.join(dir, 'data')]
  if (toml) {
    writeFileSync(path.join(dir, 'moa.toml'), toml)
    args.push('--config', path.join(dir, 'moa.toml'))
  }
  const child = spawn(build(), args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stdout.on('data', (b) => (log += b))
  child.stderr.on('data', (b) => (log += b))
  const ended = new Promise((resolve) => child.on('exit', (code) => resolve(code)))
  t.after(async () => {
    child.kill('SIGTERM')
    const code = await ended
    if (code !== 0) throw new Error(`moa ended with ${code}:\n${log}`)
  })
  for (let i = 0; ; i++) {
    const ok = await fetch(`http://127.0.0.1:${port}/readyz`).then((r) => r.ok, () => false)
    if (ok) break
    if (i > 200 || child.exitCode !== null) throw new Error(`moa did not start:\n${log}`)
    await sleep(50)
  }
  return { url: `ws://127.0.0.1:${port}`, http: `http://127.0.0.1:${port}` }
}

/** until polls a condition for at most ten seconds. */
export async function until(condition, what) {
  for (let i = 0; i < 200; i++) {
    if (await condition()) return
    await sleep(50)
  }
  throw new Error(`never: ${what}`)
}

export const now = () => Math.floor(Date.now() / 1000)
