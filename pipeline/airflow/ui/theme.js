// Takes the look that was chosen in Airflow, whose own switch the browser does not tell a frame of.
const chosen = localStorage.getItem("theme");
if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
