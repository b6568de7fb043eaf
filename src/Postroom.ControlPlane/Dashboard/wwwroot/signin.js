// The page before all others: a key, or the code of the link that the start printed.

import { el, icon } from './dom.js';
import { signIn } from './api.js';

/** Shows it until somebody is signed in; `problem` says why it is shown. */
export function showSignIn(root, done, problem) {
  const error = el('p', { class: 'notice bad', role: 'alert', hidden: !problem, text: problem ?? '', id: 'signin-error' });
  const key = el('input', { id: 'key', type: 'password', autocomplete: 'current-password', required: true, spellcheck: 'false', 'aria-describedby': 'signin-error' });
  const submit = el('button', { type: 'submit', class: 'button primary', text: 'Sign in' });
  const form = el('form', {}, el('div', { class: 'field' }, el('label', { for: 'key', text: 'Key' }), key), submit);
  form.addEventListener('submit', async event => {
    event.preventDefault();
    submit.disabled = true;
    error.hidden = true;
    const text = key.value.trim();
    try {
      await signIn(text.startsWith('pr_') ? { key: text } : { code: text });
      root.hidden = true;
      root.replaceChildren();
      done();
    } catch (refusal) {
      error.textContent = refusal.message;
      error.hidden = false;
      key.select();
    }
    submit.disabled = false;
  });
  root.replaceChildren(el('main', { class: 'signin-card' },
    el('span', { class: 'mark big' }, icon('mail')),
    el('h1', { text: 'Postroom' }),
    el('p', { class: 'lead', text: 'Sign in to see your messages on their way.' }),
    error, form,
    el('ul', { class: 'hints' },
      el('li', {}, 'The start prints a link that signs you in once, within ten minutes; ', el('code', { text: 'postroom token link' }), ' makes another.'),
      el('li', {}, 'The first key is in ', el('code', { text: 'data/admin.key' }), ' on the machine itself.'),
      el('li', {}, 'Others get a key of their own, with a role of their own, on the page Keys.'))));
  root.hidden = false;
  key.focus();
}
