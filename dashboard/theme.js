// The theme that was chosen, before anything is drawn.
const chosen = localStorage.getItem("moongate.theme");
if (chosen) document.documentElement.dataset.theme = chosen;
