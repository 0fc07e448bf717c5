"use strict";
// What a flame graph does in a browser. Each .frame has, in the unit of the picture,
// where it begins (data-at), how wide it is (data-value), how many frames it stands on
// (data-depth), and what to write on it (data-label).
(function () {
	const svg = document.getElementById("flame");
	const details = document.getElementById("details");
	const found = document.getElementById("found");
	const reset = document.getElementById("reset");
	const margin = Number(svg.dataset.margin);
	const characterWidth = Number(svg.dataset.characterWidth);
	const frames = Array.from(svg.querySelectorAll(".frame"), function (element) {
		return {
			element: element,
			rect: element.querySelector("rect"),
			text: element.querySelector("text"),
			title: element.querySelector("title").textContent,
			label: element.dataset.label,
			at: Number(element.dataset.at),
			value: Number(element.dataset.value),
			depth: Number(element.dataset.depth),
		};
	});
	const root = frames[0];
	let zoomed = root;

	// As label_fit in flame.c.
	function fit(label, width) {
		const room = Math.floor((width - 6) / characterWidth);

		if (label.length <= room)
			return label;
		return room < 3 ? "" : label.slice(0, room - 2) + "..";
	}

	// Give the frame zoomed the whole width.
	function layout() {
		const width = svg.width.baseVal.value - 2 * margin;
		const scale = zoomed.value ? width / zoomed.value : 0;

		for (const frame of frames) {
			const begin = Math.max((frame.at - zoomed.at) * scale, 0);
			const end = Math.min((frame.at + frame.value - zoomed.at) * scale, width);
			const shown = end > begin || frame === root;

			frame.element.style.display = shown ? "" : "none";
			if (!shown)
				continue;
			frame.rect.setAttribute("x", margin + begin);
			frame.rect.setAttribute("width", frame === root ? width : end - begin);
			frame.text.setAttribute("x", margin + begin + 3);
			frame.text.textContent = fit(frame.label, end - begin);
			frame.element.classList.toggle("above", frame.depth < zoomed.depth);
		}
		reset.style.display = zoomed === root ? "none" : "";
	}

	function zoom(frame) {
		zoomed = frame;
		layout();
	}

	// Mark the frames whose title matches; a frame below a marked one adds nothing.
	function search(pattern) {
		let end = 0;
		let sum = 0;
		let expression = null;

		if (pattern) {
			try {
				expression = new RegExp(pattern, "i");
			} catch (error) {
				found.textContent = error.message;
				return;
			}
		}
		for (const frame of frames) {
			const matches = expression !== null && frame !== root && expression.test(frame.title);

			frame.element.classList.toggle("found", matches);
			if (matches && frame.at >= end) {
				sum += frame.value;
				end = frame.at + frame.value;
			}
		}
		found.textContent = expression && root.value
			? "found " + (100 * sum / root.value).toFixed(2) + " %" : "";
	}

	function ask() {
		const pattern = window.prompt("Search names and places (regular expression):", "");

		if (pattern !== null)
			search(pattern);
	}

	for (const frame of frames) {
		frame.element.addEventListener("click", function () { zoom(frame); });
		frame.element.addEventListener("mouseover", function () {
			details.textContent = frame.title.replace(/\n/g, "   ");
		});
		frame.element.addEventListener("mouseout", function () { details.textContent = ""; });
	}
	reset.addEventListener("click", function () { zoom(root); });
	document.getElementById("search").addEventListener("click", ask);
	window.addEventListener("keydown", function (event) {
		if ((event.ctrlKey && event.key === "f") || event.key === "F3") {
			event.preventDefault();
			ask();
		} else if (event.key === "Escape") {
			search("");
			zoom(root);
		}
	});
	document.getElementById("search").style.display = "";
	layout();
})();
