// Airflow shows these pages in a frame whose links cannot replace Airflow's own page: its window follows the link.
addEventListener("click", (event) => {
  const link = event.target.closest("a[data-airflow]");
  if (!link || window.parent === window) return;
  event.preventDefault();
  const outer = window.parent.document;
  const followed = outer.createElement("a");
  followed.href = link.href;
  outer.body.append(followed);
  followed.click();
  followed.remove();
});
