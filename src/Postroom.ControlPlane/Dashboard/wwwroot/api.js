// Asks the control plane. The session is a cookie that this page cannot read; changes repeat its token in a header.

const BASE = new URL('../api/v1/', location.href);
const ROLES = ['viewer', 'operator', 'admin'];

/** Who is signed in: user, role, csrf, expiresAt; undefined when nobody is. */
export let session;

let onSignedOut = () => {};

/** What to do once the server does not know the session any more. */
export function whenSignedOut(action) { onSignedOut = action; }

/** Whether whoever is signed in has at least this role. */
export const may = role => ROLES.indexOf(session?.role) >= ROLES.indexOf(role);

/** A refusal in the server's words; status 0 when it does not answer. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
    this.status = status;
    this.code = problem.code;
    this.problem = problem;
  }
}

/** The address of a resource, for links and streams. */
export function address(path, query = {}) {
  const url = new URL(path.split('/').map(encodeURIComponent).join('/'), BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') for (const one of [value].flat()) url.searchParams.append(name, one);
  }
  return url;
}

async function call(method, url, body, signal) {
  let response;
  try {
    response = await fetch(url, {
      method,
      signal,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(method === 'GET' || !session ? {} : { 'X-Postroom-Csrf': session.csrf }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, { detail: 'The program does not answer. It may be restarting; this page tries again by itself.' });
  }
  const text = await response.text();
  let answer = {};
  try { answer = text ? JSON.parse(text) : {}; } catch { /* not of this server */ }
  if (response.ok) return answer;
  if (response.status === 401 && session && !url.pathname.endsWith('/session')) {
    session = undefined;
    onSignedOut();
  }
  throw new ApiError(response.status, answer);
}

export const get = (path, query, signal) => call('GET', address(path, query), undefined, signal);
export const post = (path, body = {}) => call('POST', address(path), body);
export const put = (path, body) => call('PUT', address(path), body);
export const remove = (path, query) => call('DELETE', address(path, query));

/** The health of everything: it answers 503 with the same content when something is unhealthy. */
export async function checkHealth(signal) {
  const url = new URL('../../health', BASE);
  const response = await fetch(url, { signal });
  if (response.status === 401 && session) {
    session = undefined;
    onSignedOut();
  }
  const answer = await response.json();
  if (!answer.checks) throw new ApiError(response.status, answer);
  return answer;
}

const KNOWN = 'postroom-signed-in';

/** Whether this browser signed in before, so that asking for the session is worth it. */
export const mayBeSignedIn = () => { try { return localStorage.getItem(KNOWN) !== null; } catch { return true; } };

function know(signedIn) {
  try { if (signedIn) localStorage.setItem(KNOWN, '1'); else localStorage.removeItem(KNOWN); } catch { /* asks once more than needed */ }
}

/** Signs in with {key} or {code}, or finds the session of a page that was loaded again. */
export async function signIn(with_) {
  try {
    session = with_ ? await call('POST', address('session'), with_) : await call('GET', address('session'));
    know(true);
  } catch (error) {
    if (error.status === 401 && !with_) know(false);
    throw error;
  }
  return session;
}

export async function signOut() {
  await remove('session');
  session = undefined;
  know(false);
}
