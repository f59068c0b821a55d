"use strict";
// Signs in with the browser's extension for Nostr (NIP-07): it signs a request to this
// very page (NIP-98), and the relay answers with a cookie that scripts do not see.
const form = document.querySelector("form");
const button = form.querySelector("button");
const note = document.getElementById("note");

// extension waits a moment for it: some come after the page.
async function extension() {
  for (let i = 0; i < 20 && !window.nostr; i++) await new Promise((later) => setTimeout(later, 50));
  return window.nostr;
}

async function signIn() {
  const nostr = await extension();
  if (!nostr) throw new Error("No extension for Nostr (NIP-07) is in this browser. Install one that holds your key, and load this page again.");
  const { challenge, payload } = form.dataset;
  const event = await nostr.signEvent({
    kind: 27235,
    created_at: Math.floor(Date.now() / 1000),
    tags: [["u", form.action], ["method", "POST"], ["payload", payload]],
    content: "",
  });
  const bytes = new TextEncoder().encode(JSON.stringify(event));
  const answer = await fetch(form.action, {
    method: "POST",
    headers: { Authorization: "Nostr " + btoa(String.fromCharCode(...bytes)), "Content-Type": "text/plain" },
    body: challenge,
  });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  location.replace("/admin");
}

form.addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  button.disabled = true;
  note.textContent = "Your extension asks you to sign.";
  try {
    await signIn();
  } catch (err) {
    note.textContent = err.message || String(err);
    button.disabled = false;
  }
});
