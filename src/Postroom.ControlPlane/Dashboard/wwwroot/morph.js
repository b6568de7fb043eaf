// Brings what is shown to what should be shown, in place, so that focus, selection and open details survive a refresh.
// Nothing that is refreshed has listeners of its own: buttons say in data-act what they do (app.js).

const keyOf = node => node.nodeType === Node.ELEMENT_NODE ? node.getAttribute('data-key') : null;
const KEPT = new Set(['open']);

function same(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

function attributes(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value && !KEPT.has(name)) old.setAttribute(name, value);
}

function children(old, fresh) {
  const keyed = new Map();
  for (const node of old.childNodes) if (keyOf(node) !== null) keyed.set(keyOf(node), node);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = keyOf(wanted);
    let found = key === null ? at : keyed.get(key);
    if (key === null) while (found && keyOf(found) !== null) found = found.nextSibling;
    if (found && same(found, wanted)) {
      if (found === at) at = at.nextSibling;
      else old.insertBefore(found, at);
      morph(found, wanted);
    } else {
      old.insertBefore(wanted, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** Makes `old` as `fresh` is; both are of one kind. */
export function morph(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || old.dataset?.own !== undefined) return;
  attributes(old, fresh);
  children(old, fresh);
}
