"""The script that Streamlit runs for every view."""

from reports.app import menu

menu.main()
