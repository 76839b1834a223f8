// Looks again every few seconds and puts in what has changed; without scripts the page is read once.
const EVERY_MILLISECONDS = 5000;
setInterval(async () => {
  const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
  if (!answer || !answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  const shown = document.querySelector("main");
  if (next && shown && next.innerHTML !== shown.innerHTML) shown.replaceWith(document.adoptNode(next));
}, EVERY_MILLISECONDS);
