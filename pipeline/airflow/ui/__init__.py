"""The pages of the review-sentiment workflow: read from the store, guarded by Airflow's own permissions."""
