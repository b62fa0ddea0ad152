// SPDX-License-Identifier: GPL-3.0-or-later
// Fetches this page again every few seconds and puts the parts that have changed in the
// place of the old ones. The server writes all HTML; nothing here makes any.
"use strict";

const EVERY_MS = 3000;
const SOON_MS = 400; // while an answer is missing

// What a person has in hand stays: a part with the focus in a field, or with marked text.
function isInUse(part) {
	const focused = document.activeElement;
	const marked = document.getSelection();
	return (part.contains(focused) && focused.matches("input, select")) ||
		(!marked.isCollapsed && part.contains(marked.anchorNode));
}

function keepOpen(before, after) {
	for (const details of after.querySelectorAll("details[id]")) {
		const old = before.querySelector(`details[id="${details.id}"]`);
		if (old)
			details.open = old.open;
	}
}

// The link or button that has the focus, by what it does.
function focusKey(part) {
	const focused = document.activeElement;
	return part.contains(focused) ? focused.getAttribute("href") : null;
}

function replace(part, fresh) {
	if (part.innerHTML === fresh.innerHTML || isInUse(part))
		return;
	const key = focusKey(part);
	keepOpen(part, fresh);
	part.replaceWith(fresh);
	if (key !== null)
		for (const link of fresh.querySelectorAll("a"))
			if (link.getAttribute("href") === key) {
				link.focus({ preventScroll: true });
				break;
			}
}

async function refresh() {
	const answer = await fetch(location.pathname + location.search,
		{ redirect: "manual", cache: "no-store" });
	if (answer.type === "opaqueredirect") { // no longer logged in
		location.assign("/login");
		return;
	}
	if (!answer.ok)
		throw new Error(answer.statusText);
	const page = new DOMParser().parseFromString(await answer.text(), "text/html");
	for (const fresh of page.querySelectorAll("main > section[id]")) {
		const part = document.getElementById(fresh.id);
		if (part)
			replace(part, fresh);
	}
}

async function watch() {
	const stale = document.getElementById("stale");
	if (!document.hidden) {
		try {
			await refresh();
			stale.hidden = true;
		} catch {
			stale.hidden = false;
		}
	}
	start();
}

function start() {
	setTimeout(watch, document.querySelector(".later") ? SOON_MS : EVERY_MS);
}

// "/" goes to the search, as in many pages.
document.addEventListener("keydown", event => {
	const field = document.getElementById("search");
	if (event.key === "/" && field && !event.target.matches("input, select")) {
		event.preventDefault();
		field.focus();
	}
});

start();
