// Runs before the first paint, so that a page of the other colours never flashes up.
try {
  const theme = localStorage.getItem('postroom-theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch { /* storage is forbidden: the system's colours hold */ }
