// Times in the reader's own zone, and as his own country writes them in the page's language. `dateStyle` is one of
// Intl.DateTimeFormat's.
export function localise(dateStyle) {
  const lang = document.documentElement.lang;
  const own = navigator.languages.find((one) => one.toLowerCase().split("-")[0] === lang) ?? lang;
  const form = new Intl.DateTimeFormat(own, { dateStyle, timeStyle: "short" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.textContent = form.format(new Date(time.dateTime));
  }
}
