"""Review sentiment: from a raw dump of reviews to an evaluated and exported model.

The modules read in the order of the data: ``config`` → ``store`` → ``ingest`` → ``validation`` →
``cleaning`` → ``splitting`` → ``vocabulary`` → ``encoding`` → ``training`` → ``evaluation`` →
``promotion`` → ``reporting`` → ``scoring``; ``workflow`` joins them and ``cli`` stands on top.
``airflow`` holds what runs it there; nothing else imports Airflow.
"""
